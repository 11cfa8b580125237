// What the audit asks of a disk, and the disk as the kernel has it. Tests put one in its place that fails.
import { constants, open, rename, rm } from 'node:fs/promises';

/** A file that lines are added to. Everything rejects with errors as Node's: `code` is the errno. */
export interface AuditFile {
  /** Bytes in it when it was opened. */
  readonly size: number;
  /** Whether it ends in the midst of a line, as after a power cut. */
  readonly hasOpenLine: boolean;
  /** Adds all of it; some of it may be in the file when it rejects. */
  append(bytes: Buffer): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

export interface AuditDisk {
  /** Opens the file, or makes it. */
  open(path: string): Promise<AuditFile>;
  /** Whatever had the name `to` is gone. */
  rename(from: string, to: string): Promise<void>;
  /** Nothing happens if it is not there. */
  remove(path: string): Promise<void>;
}

/** Readable for the group, which is who looks after the host (as adm for /var/log). */
const FILE_MODE = 0o640;

const LINE_END = 10;

export const linuxAuditDisk: AuditDisk = {
  open: openFile,
  rename,
  remove: (path) => rm(path, { force: true }),
};

async function openFile(path: string): Promise<AuditFile> {
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  // A FIFO that nobody reads from would block the opening; who may write in the folder cannot lead elsewhere by a link.
  const handle = await open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, FILE_MODE);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw Object.assign(new Error(`'${path}' is not a regular file`), { code: 'ENOTSUP' });
    const { size } = stat;
    const last = Buffer.alloc(1);
    if (size > 0) await handle.read(last, 0, 1, size - 1);
    return {
      size,
      hasOpenLine: size > 0 && last[0] !== LINE_END,
      append: async (bytes) => {
        // In steps, of which each may be a part only.
        for (let done = 0; done < bytes.length;) {
          done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
        }
      },
      truncate: (length) => handle.truncate(length),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

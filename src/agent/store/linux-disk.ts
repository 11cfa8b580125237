// The disk as the kernel has it.
import {
  close,
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  open,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rename,
  renameSync,
  unlink,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import type { Disk, DiskFile } from './disk.js';

/** What is in the files is nobody else's business. */
const FILE_MODE = 0o600;

const closeAsync = promisify(close);
const fdatasyncAsync = promisify(fdatasync);
const fsyncAsync = promisify(fsync);
const openAsync = promisify(open);
const writeAsync = promisify(write);

class LinuxFile implements DiskFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  writeSync(data: Uint8Array, position: number): void {
    for (let done = 0; done < data.length;) {
      done += writeSync(this.#fd, data, done, data.length - done, position + done);
    }
  }

  async write(data: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < data.length;) {
      const { bytesWritten } = await writeAsync(this.#fd, data, done, data.length - done, position + done);
      done += bytesWritten;
    }
  }

  truncateSync(size: number): void {
    ftruncateSync(this.#fd, size);
  }

  datasyncSync(): void {
    fdatasyncSync(this.#fd);
  }

  datasync(): Promise<void> {
    return fdatasyncAsync(this.#fd);
  }

  closeSync(): void {
    closeSync(this.#fd);
  }
}

export const linuxDisk: Disk = {
  listSync: (directory) => readdirSync(directory),
  readSync: (path, limit) => (limit === undefined ? readFileSync(path) : readBeginning(path, limit)),
  openSync: (path, how) => new LinuxFile(openSync(path, how === 'create' ? 'w' : 'r+', FILE_MODE)),
  renameSync,
  rename: promisify(rename),
  removeSync: unlinkSync,
  remove: promisify(unlink),
  syncDirectorySync: (directory) => {
    const fd = openSync(directory, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  syncDirectory: async (directory) => {
    const fd = await openAsync(directory, 'r');
    try {
      await fsyncAsync(fd);
    } finally {
      await closeAsync(fd);
    }
  },
};

function readBeginning(path: string, limit: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(limit);
    return bytes.subarray(0, readSync(fd, bytes, 0, limit, 0));
  } finally {
    closeSync(fd);
  }
}

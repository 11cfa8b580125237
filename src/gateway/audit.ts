// The audit file: lines are taken at once and written when the disk takes them. Nobody waits for it, and nothing that is
// wrong with it is thrown at who has something to write down.
import type { Logger } from '../runtime/log.js';
import { type AuditDisk, type AuditFile, linuxAuditDisk } from './audit-disk.js';
import { type AuditRecord, formatAuditRecord, formatLoss } from './audit-line.js';

export type { AuditRecord } from './audit-line.js';

export interface AuditOptions {
  /** Undefined: there is no file, and only followers get lines. */
  readonly file: string | undefined;
  /** Bytes at which a file is put aside, as FILE.1. */
  readonly maxSize: number;
  /** Files that are kept, that which is written to among them. */
  readonly files: number;
}

export interface AuditStatus {
  readonly file: string | undefined;
  /** Lines since the start. */
  readonly written: number;
  /** Lines that the disk did not take and that are gone. */
  readonly lost: number;
  /** Why the disk does not take them now, or the file cannot be put aside; undefined if all is well. */
  readonly error: string | undefined;
}

/** Gets each line, without its end, when it is taken. */
export type AuditListener = (line: string, record: AuditRecord) => void;

export interface AuditLog extends AsyncDisposable {
  readonly status: AuditStatus;
  /** Takes a line. Never waits and never throws. */
  write(record: AuditRecord): void;
  /** @returns what ends it. */
  follow(listener: AuditListener): () => void;
  /** Opens the file again, as after somebody has moved it away (logrotate). */
  reload(): void;
  /** Resolves when all that was taken is written, or the disk has refused it, or is silent for some seconds. */
  flush(): Promise<void>;
}

/** Lines that wait for the disk, and their bytes. */
export const WAITING_LINES_MAX = 10_000;
export const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** Bytes that are written at once. */
const BATCH_BYTES = 256 * 1024;

/** Time after which a disk that has refused is asked again, in ms. */
const RETRY_MS = 3_000;

/** Time that a flush waits for a disk that does not answer, in ms. */
const FLUSH_LIMIT_MS = 3_000;

/** Opens the audit; the file is opened with the first line. */
export function openAudit(
  options: AuditOptions,
  log: Logger,
  { disk = linuxAuditDisk, retryMs = RETRY_MS, now = Date.now }: AuditSurroundings = {},
): AuditLog {
  return new FileAudit(options, log, { disk, retryMs, now });
}

/** What tests put something else in the place of. */
export interface AuditSurroundings {
  readonly disk?: AuditDisk;
  readonly retryMs?: number;
  readonly now?: () => number;
}

interface OpenFile {
  readonly handle: AuditFile;
  /** Bytes in it. */
  size: number;
}

class FileAudit implements AuditLog {
  readonly #options: AuditOptions;
  readonly #log: Logger;
  readonly #surroundings: Required<AuditSurroundings>;
  readonly #listeners = new Set<AuditListener>();
  /** Lines with their ends. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #file: OpenFile | undefined;
  #mustReopen = false;
  #written = 0;
  #lost = 0;
  /** Of those that are lost, how many no line tells of yet. */
  #untold = 0;
  #error: string | undefined;
  /** Why the file could not be put aside. */
  #rotationError: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** The writing that is under way. */
  #turn: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: AuditOptions, log: Logger, surroundings: Required<AuditSurroundings>) {
    this.#options = options;
    this.#log = log;
    this.#surroundings = surroundings;
  }

  get status(): AuditStatus {
    return {
      file: this.#options.file,
      written: this.#written,
      lost: this.#lost,
      error: this.#error ?? this.#rotationError,
    };
  }

  write(record: AuditRecord): void {
    const line = formatAuditRecord(record);
    for (const listener of this.#listeners) listener(line, record);
    if (this.#options.file === undefined || this.#isClosed) return;
    this.#tellLoss();
    if (!this.#take(line)) {
      this.#lost++;
      this.#untold++;
    }
    this.#wake();
  }

  follow(listener: AuditListener): () => void {
    // So that one listener that comes twice leaves once.
    const own: AuditListener = (line, record) => {
      listener(line, record);
    };
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  reload(): void {
    this.#mustReopen = true;
    this.#askAgain();
  }

  async flush(): Promise<void> {
    this.#askAgain();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FLUSH_LIMIT_MS);
    });
    await Promise.race([this.#turn, limit]);
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.flush();
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#listeners.clear();
    // Under a disk that does not answer the descriptor ends with the process.
    if (this.#turn === undefined) await this.#close();
  }

  /** Whether there is room for the line. */
  #take(line: string): boolean {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#waiting.length >= WAITING_LINES_MAX || this.#waitingBytes + bytes.length > WAITING_BYTES_MAX)
      return false;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    return true;
  }

  /** Puts a line where those stood that are lost, as soon as there is room. */
  #tellLoss(): void {
    if (this.#untold > 0 && this.#take(formatLoss(this.#surroundings.now(), this.#untold))) this.#untold = 0;
  }

  #askAgain(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#wake();
  }

  /** Begins to write, unless that goes on already or the disk is to be left alone for a while. */
  #wake(): void {
    if (this.#turn !== undefined || this.#retry !== undefined || this.#isClosed) return;
    if (this.#waiting.length === 0 && !this.#mustReopen) return;
    this.#turn = this.#writeAll().finally(() => {
      this.#turn = undefined;
      // What came in the last moment of it.
      this.#wake();
    });
  }

  /** Writes all that waits; ends early if the disk refuses. Never rejects. */
  async #writeAll(): Promise<void> {
    const { file: path } = this.#options;
    if (path === undefined) return;
    try {
      while (this.#waiting.length > 0 || this.#mustReopen) {
        await this.#writeSome(path);
        this.#tellLoss();
      }
      if (this.#error !== undefined)
        this.#log.warn({ file: path, lost: this.#lost }, 'the audit file is written again');
      this.#error = undefined;
    } catch (error) {
      this.#complain(path, error, 'writing');
      await this.#close();
      this.#retry = setTimeout(() => {
        this.#askAgain();
      }, this.#surroundings.retryMs);
      // What waits is no reason for the process to live on.
      this.#retry.unref();
    }
  }

  async #writeSome(path: string): Promise<void> {
    if (this.#mustReopen) {
      this.#mustReopen = false;
      await this.#close();
    }
    const { count, bytes } = this.#batch();
    const file = await this.#fileFor(path, bytes.length);
    if (count === 0) return;
    try {
      await file.handle.append(bytes);
    } catch (error) {
      // No half lines; where that fails too the next opening sees it.
      await file.handle.truncate(file.size).catch(() => undefined);
      throw error;
    }
    file.size += bytes.length;
    this.#written += count;
    this.#waiting.splice(0, count);
    this.#waitingBytes -= bytes.length;
  }

  /** The first lines that wait. */
  #batch(): { readonly count: number; readonly bytes: Buffer } {
    let [count, length] = [0, 0];
    for (const line of this.#waiting) {
      if (count > 0 && length + line.length > BATCH_BYTES) break;
      count++;
      length += line.length;
    }
    return { count, bytes: Buffer.concat(this.#waiting.slice(0, count), length) };
  }

  /** The file, with room for so many bytes more. */
  async #fileFor(path: string, length: number): Promise<OpenFile> {
    const { maxSize, files } = this.#options;
    this.#file ??= await this.#open(path);
    if (this.#file.size === 0 || this.#file.size + length <= maxSize) return this.#file;
    const rotationError = await this.#rotate(path);
    if (rotationError !== undefined) {
      // Rather one file that is too large than lines that are lost, up to what all files together may have.
      if (this.#file.size + length > maxSize * files) throw rotationError;
      this.#complain(path, rotationError, 'rotation');
      return this.#file;
    }
    this.#rotationError = undefined;
    await this.#close();
    this.#file = await this.#open(path);
    return this.#file;
  }

  async #open(path: string): Promise<OpenFile> {
    const handle = await this.#surroundings.disk.open(path);
    const file = { handle, size: handle.size };
    if (handle.hasOpenLine) {
      await handle.append(Buffer.from('\n'));
      file.size++;
    }
    return file;
  }

  /** FILE.1 becomes FILE.2, and so on; the last one goes. Gives what is in the way. */
  async #rotate(path: string): Promise<Error | undefined> {
    const { disk } = this.#surroundings;
    const names = [path, ...Array.from({ length: this.#options.files - 1 }, (_, index) => `${path}.${index + 1}`)];
    const last = names.pop() ?? path;
    try {
      await disk.remove(last);
      for (const [from, to] of names.map((name, index) => [name, names[index + 1] ?? last] as const).reverse()) {
        await disk.rename(from, to).catch((error: unknown) => {
          // Those that are not there yet.
          if (errnoOf(error) !== 'ENOENT') throw error;
        });
      }
      return undefined;
    } catch (error) {
      if (error instanceof Error) return error;
      throw error;
    }
  }

  async #close(): Promise<void> {
    const { handle } = this.#file ?? {};
    this.#file = undefined;
    // What it was told it has, or it has said that it has not.
    await handle?.close().catch(() => undefined);
  }

  /** Says what is wrong: once, not with each attempt. */
  #complain(path: string, error: unknown, what: 'writing' | 'rotation'): void {
    const errno = errnoOf(error) ?? 'unknown';
    const why = CURES.get(errno) ?? `the system says ${errno}`;
    if (what === 'writing') {
      const text = `'${path}' cannot be written: ${why}`;
      if (text !== this.#error) this.#log.error({ file: path, errno, why }, 'the audit file cannot be written');
      this.#error = text;
    } else {
      const text = `'${path}' cannot be put aside, and grows: ${why}`;
      if (text !== this.#rotationError)
        this.#log.warn({ file: path, errno, why }, 'the audit file cannot be put aside');
      this.#rotationError = text;
    }
  }
}

const CURES = new Map([
  ['ENOSPC', 'the disk is full; make room'],
  ['EDQUOT', 'the quota is used up; make room'],
  ['EROFS', 'the file system is read-only; mount it for writing, or name another file'],
  ['EACCES', 'no permission; give its folder to the user of the gateway'],
  ['EPERM', 'no permission; give its folder to the user of the gateway'],
  ['ENOENT', 'its folder is not there; make it, and give it to the user of the gateway'],
  ['ELOOP', 'it is a symbolic link, which is not followed; name the file itself'],
  ['ENOTSUP', 'it is not a regular file'],
  ['EISDIR', 'it is a folder'],
  ['EIO', "the disk has an error; see the kernel's log ('dmesg')"],
]);

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

// A journal that steps are written to.
import type { Step } from '../rib/rib.js';
import type { Disk, DiskFile } from './disk.js';
import type { StoreFile } from './files.js';
import { type Header, headerLine } from './header.js';
import { StepWriter } from './step-lines.js';
import { errnoOf } from './storage-error.js';

/** A place between two steps. */
export interface JournalEnd {
  /** Bytes before it. */
  readonly size: number;
  /** Checksum of the line before it. */
  readonly crc: number;
}

export class Journal {
  readonly file: StoreFile;
  readonly #open: DiskFile;
  #end: JournalEnd;
  /** What a power cut leaves; undefined while that may be nothing. */
  #durable: JournalEnd | undefined;
  /** Steps in it. */
  #steps: number;
  #isBroken = false;
  readonly #writer = new StepWriter();

  private constructor(file: StoreFile, open: DiskFile, end: JournalEnd, steps: number, isDurable: boolean) {
    this.file = file;
    this.#open = open;
    this.#end = end;
    this.#steps = steps;
    this.#durable = isDurable ? end : undefined;
  }

  /** Makes a new one. What was made of it is removed again if that fails. */
  static create(disk: Disk, file: StoreFile, header: Omit<Header, 'kind' | 'generation'>): Journal {
    const { line, crc } = headerLine({ ...header, kind: file.kind, generation: file.generation });
    const open = disk.openSync(file.path, 'create');
    try {
      open.writeSync(Buffer.from(line), 0);
    } catch (error) {
      open.closeSync();
      removeIfPossible(disk, file.path);
      throw error;
    }
    return new Journal(file, open, { size: Buffer.byteLength(line), crc }, 0, false);
  }

  /** Goes on with one that ends there; what comes after is cut off. Returns when all before that is durable. */
  static resume(disk: Disk, file: StoreFile, end: JournalEnd, steps: number): Journal {
    const open = disk.openSync(file.path, 'continue');
    try {
      open.truncateSync(end.size);
      open.datasyncSync();
    } catch (error) {
      open.closeSync();
      throw error;
    }
    return new Journal(file, open, end, steps, true);
  }

  get end(): JournalEnd {
    return this.#end;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Half a step could not be cut off: nothing may be written after it. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Writes a step, all of it or nothing. */
  append(step: Step, revision: bigint): void {
    let { size, crc } = this.#end;
    try {
      crc = this.#writer.write(step, revision, crc, (line) => {
        this.#open.writeSync(line, size);
        size += line.length;
      });
    } catch (error) {
      this.#cutTo(this.#end.size);
      throw error;
    }
    this.#end = { size, crc };
    this.#steps++;
  }

  /** fdatasync(2). */
  datasync(): Promise<void> {
    return this.#open.datasync();
  }

  /** Says that all before this end is durable. */
  setDurable(end: JournalEnd): void {
    this.#durable = end;
  }

  /** Cuts off what may not be durable, as far as the disk lets it. Nothing may be written any more. */
  abandon(): void {
    this.#cutTo(this.#durable?.size ?? 0);
    this.#isBroken = true;
  }

  close(): void {
    this.#open.closeSync();
  }

  #cutTo(size: number): void {
    try {
      this.#open.truncateSync(size);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      // The next journal says after how many steps it begins, so what stays here is not read.
      this.#isBroken = true;
    }
  }
}

/** A beginning of a header is known for one, so it may stay. */
function removeIfPossible(disk: Disk, path: string): void {
  try {
    disk.removeSync(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

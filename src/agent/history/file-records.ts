// The records of one owner in files of the table's directory, a file a generation.
import { join } from 'node:path';
import { HISTORY_BYTES_PER_GENERATION_MAX, HISTORY_ENTRIES_PER_GENERATION_MAX } from '../../model/limits.js';
import type { Step } from '../rib/rib.js';
import type { Undo } from '../rib/restore.js';
import type { Disk } from '../store/disk.js';
import type { StepWriter } from '../store/step-lines.js';
import { StorageError, errnoOf } from '../store/storage-error.js';
import { WishReader } from '../store/wish-reader.js';
import type { HistoryEntry } from './entry.js';
import {
  type LineEnd,
  type ReadRecord,
  historyHeaderLine,
  readHistoryHeader,
  readRecord,
  readUndo,
  writeRecord,
} from './record-lines.js';
import type { OpenFiles } from './open-files.js';
import type { KeptRecord, Records } from './records.js';

/** What all owners of a table share. */
export interface HistoryDirectory {
  readonly disk: Disk;
  readonly directory: string;
  readonly table: number;
  readonly writer: StepWriter;
  readonly files: OpenFiles;
}

/** The least bytes of a difference: of a step that has more than fit, none are written. */
const DIFFERENCE_BYTES_MIN = 48;

interface Generation {
  readonly number: number;
  readonly path: string;
  end: LineEnd;
  entries: number;
  /** It has what the disk may not have. */
  isDirty: boolean;
}

/** A record is larger than a generation may be. */
class TooLargeError extends Error {
  readonly code = 'TOO_LARGE';
}

/** A record that was read at the start. */
export interface FoundRecord {
  readonly entry: HistoryEntry;
  readonly kept: KeptRecord;
}

/** The file of a generation: owners have letters that names of files may not have. */
export function historyFileName(owner: string, generation: number): string {
  return `${encodeURIComponent(owner)}.${generation}`;
}

/** What the name of a file says; undefined if it is not of the history. */
export function parseHistoryFileName(
  name: string,
): { readonly owner: string; readonly generation: number } | undefined {
  const [, encoded, digits] = /^([\w.%-]+)\.([1-9]\d{0,14})$/.exec(name) ?? [];
  if (encoded === undefined) return undefined;
  try {
    return { owner: decodeURIComponent(encoded), generation: Number(digits) };
  } catch {
    return undefined;
  }
}

export class FileRecords implements Records {
  readonly #shared: HistoryDirectory;
  readonly #owner: string;
  #generations: Generation[] = [];
  #nextNumber = 1;
  /** Names that were made or removed may not be durable. */
  #isDirectoryDirty = false;

  constructor(shared: HistoryDirectory, owner: string) {
    this.#shared = shared;
    this.#owner = owner;
  }

  get generations(): readonly number[] {
    return this.#generations.map(({ number }) => number);
  }

  /** Bytes of all files. */
  get bytes(): number {
    return this.#generations.reduce((sum, { end }) => sum + end.size, 0);
  }

  get isFull(): boolean {
    const last = this.#generations.at(-1);
    return (
      last === undefined ||
      last.entries >= HISTORY_ENTRIES_PER_GENERATION_MAX ||
      last.end.size >= HISTORY_BYTES_PER_GENERATION_MAX
    );
  }

  /**
   * Reads a file of an earlier agent; to be called in the order of their generations. What is not as it was written is cut
   * off: the next record says that it does not come after what is left.
   *
   * @returns its records, the oldest first.
   */
  read(number: number): readonly FoundRecord[] {
    const { disk, table } = this.#shared;
    const path = this.#path(number);
    const bytes = disk.readSync(path);
    this.#nextNumber = number + 1;
    const header = readHistoryHeader(bytes, { table, generation: number });
    const generation: Generation = { number, path, end: { size: 0, crc: 0 }, entries: 0, isDirty: true };
    this.#generations.push(generation);
    if (header?.owner !== this.#owner) {
      this.#removeFile(generation);
      return [];
    }
    const found: FoundRecord[] = [];
    let end: LineEnd = { size: header.size, crc: header.crc };
    for (let record = readRecord(bytes, end, this.#owner); record !== undefined;) {
      found.push({ entry: record.entry, kept: this.#kept(generation, record) });
      ({ end } = record);
      record = readRecord(bytes, end, this.#owner);
    }
    generation.entries = found.length;
    generation.end = end;
    // Half a record, and whatever else the power left.
    if (end.size < bytes.length) this.#cut(generation, end);
    return found;
  }

  beginGeneration(): void {
    this.#begin();
  }

  dropOldest(): void {
    const [oldest] = this.#generations;
    if (oldest !== undefined) this.#removeFile(oldest);
  }

  append(entry: HistoryEntry, undone: Step | undefined, isNeeded: boolean): KeptRecord {
    const generation = this.#generations.at(-1) ?? this.#begin();
    const isTooLarge =
      !isNeeded && (undone?.differences.length ?? 0) * DIFFERENCE_BYTES_MIN > HISTORY_BYTES_PER_GENERATION_MAX;
    const limit = isNeeded ? Infinity : HISTORY_BYTES_PER_GENERATION_MAX;
    const record =
      this.#write(generation, entry, isTooLarge ? undefined : undone, limit) ??
      this.#write(generation, entry, undefined, Infinity);
    if (record === undefined) throw new Error('bug: a record without limit is too large');
    if (isNeeded) this.#syncNow(generation);
    return this.#kept(generation, record);
  }

  async sync(): Promise<void> {
    const { disk, directory } = this.#shared;
    for (const generation of this.#generations.filter(({ isDirty }) => isDirty)) {
      generation.isDirty = false;
      try {
        const file = disk.openSync(generation.path, 'continue');
        try {
          await file.datasync();
        } finally {
          file.closeSync();
        }
      } catch (error) {
        // It was dropped meanwhile.
        if (!this.#generations.includes(generation)) continue;
        generation.isDirty = true;
        throw error;
      }
    }
    if (!this.#isDirectoryDirty) return;
    this.#isDirectoryDirty = false;
    try {
      await disk.syncDirectory(directory);
    } catch (error) {
      this.#isDirectoryDirty = true;
      throw error;
    }
  }

  remove(): void {
    for (const generation of [...this.#generations]) this.#removeFile(generation);
  }

  #begin(): Generation {
    const { table } = this.#shared;
    const number = this.#nextNumber;
    const path = this.#path(number);
    const { line, crc } = historyHeaderLine({ table, owner: this.#owner, generation: number });
    const bytes = Buffer.from(line);
    this.#shared.files.create(path).writeSync(bytes, 0);
    this.#nextNumber++;
    this.#isDirectoryDirty = true;
    const generation = { number, path, end: { size: bytes.length, crc }, entries: 0, isDirty: true };
    this.#generations.push(generation);
    return generation;
  }

  /** Writes a record, all of it or nothing; undefined if it is larger than it may be. */
  #write(generation: Generation, entry: HistoryEntry, undone: Step | undefined, limit: number): ReadRecord | undefined {
    const { files, writer } = this.#shared;
    const start = generation.end;
    let { size } = start;
    const file = files.get(generation.path);
    try {
      const { crc, undo } = writeRecord(writer, entry, undone, start.crc, (lines) => {
        if (size + lines.length - start.size > limit) throw new TooLargeError();
        file.writeSync(lines, size);
        size += lines.length;
      });
      generation.end = { size, crc };
      generation.entries++;
      generation.isDirty = true;
      const undoStart = undo && { size: start.size + undo.size, crc: undo.crc };
      return { entry, start, undo: undoStart, end: generation.end };
    } catch (error) {
      file.truncateSync(start.size);
      if (error instanceof TooLargeError) return undefined;
      throw error;
    }
  }

  #syncNow(generation: Generation): void {
    const { disk, directory, files } = this.#shared;
    files.get(generation.path).datasyncSync();
    generation.isDirty = false;
    if (!this.#isDirectoryDirty) return;
    disk.syncDirectorySync(directory);
    this.#isDirectoryDirty = false;
  }

  #kept(generation: Generation, { start, undo }: ReadRecord): KeptRecord {
    return {
      generation: generation.number,
      undo: undo && (() => this.#readUndo(generation, undo)),
      cut: () => {
        generation.entries--;
        this.#cut(generation, start);
      },
    };
  }

  #readUndo({ path }: Generation, at: LineEnd): Undo {
    const bytes = this.#shared.disk.readSync(path);
    const undo = readUndo(new WishReader(), bytes, at);
    if (undo !== undefined) return undo;
    throw new StorageError(
      'EIO',
      path,
      `'${path}' cannot be read: it is not as it was written; see the kernel's log ('dmesg')`,
    );
  }

  #cut(generation: Generation, end: LineEnd): void {
    // What cannot be cut off is written over by what comes.
    generation.end = end;
    generation.isDirty = true;
    this.#shared.files.get(generation.path).truncateSync(end.size);
  }

  #removeFile(generation: Generation): void {
    this.#shared.files.close(generation.path);
    try {
      this.#shared.disk.removeSync(generation.path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    this.#generations = this.#generations.filter((each) => each !== generation);
    this.#isDirectoryDirty = true;
  }

  #path(number: number): string {
    return join(this.#shared.directory, historyFileName(this.#owner, number));
  }
}

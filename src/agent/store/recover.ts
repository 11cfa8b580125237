// From the files of a table to its wishes: the newest snapshot that is whole, and the journals from it on. Damage is set
// aside and told, and ends no start; only files that this program must not touch, or may not read, do.
import type { Disk } from './disk.js';
import { type Listing, type StoreFile, setAsidePath, sortNames } from './files.js';
import { HEADER_MAX, type Header, readHeader } from './header.js';
import type { JournalEnd } from './journal.js';
import type { SetAsideNote, StoreNote } from './note.js';
import { readCheckedLine } from './checked-line.js';
import { readSnapshot } from './snapshot-text.js';
import { readStep, takeStep } from './step-lines.js';
import { WishReader } from './wish-reader.js';
import { asStorageError, errnoOf } from './storage-error.js';
import { type OwnedResource, WishMap } from './wishes.js';

export interface RecoverOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly table: number;
  readonly onNote: (note: StoreNote) => void;
}

export interface Recovered {
  readonly wishes: readonly OwnedResource[];
  /** The highest one seen; 0n if there is none. */
  readonly revision: bigint;
  /** That of the last step of each owner who has one in the journals that were read. */
  readonly lastRevisions: ReadonlyMap<string, bigint>;
  /** Steps that have been taken, as the files count them. */
  readonly steps: number;
  /** Checksum of the last of them; 0 if there is none. */
  readonly stepCrc: number;
  /** Generation and size of the snapshot they begin with; 0 if they begin with nothing. */
  readonly snapshot: { readonly generation: number; readonly bytes: number };
  /** The journals that were read, but for `last`, and those without a header that are still there. */
  readonly read: readonly StoreFile[];
  /** The journal that can be gone on with; undefined if a new one is to be made. */
  readonly last: { readonly file: StoreFile; readonly end: JournalEnd; readonly steps: number } | undefined;
  /** Bytes of the journals that were read. */
  readonly journalBytes: number;
  readonly nextGeneration: number;
}

/**
 * Reads the files of a table.
 *
 * @throws StorageError if they may not be read, or are of a newer version or another table.
 */
export function recover(options: RecoverOptions): Recovered {
  return new Recovery(options).run();
}

const NEWLINE = 10;

/** Journals and the steps up to which each counts: where the first of those after it begins. */
interface LimitedJournal {
  readonly file: StoreFile;
  readonly header: Header | undefined;
  readonly limit: number;
}

class Recovery {
  readonly #disk: Disk;
  readonly #table: number;
  readonly #onNote: (note: StoreNote) => void;
  readonly #listing: Listing;
  readonly #read: StoreFile[] = [];
  readonly #reader = new WishReader();
  #nextSetAside: number;
  #wishes = new WishMap();
  #snapshot = { generation: 0, bytes: 0 };
  #steps = 0;
  /** Of the last step that was taken. */
  #stepCrc = 0;
  #revision = 0n;
  readonly #lastRevisions = new Map<string, bigint>();
  #journalBytes = 0;
  #last: Recovered['last'];

  constructor({ disk, directory, table, onNote }: RecoverOptions) {
    this.#disk = disk;
    this.#table = table;
    this.#onNote = onNote;
    try {
      this.#listing = sortNames(directory, disk.listSync(directory));
    } catch (error) {
      throw asStorageError(error, directory, 'read');
    }
    this.#nextSetAside = this.#listing.nextSetAside;
  }

  run(): Recovered {
    // All headers first: nothing may be changed where a newer program has been.
    for (const file of this.#listing.snapshots) this.#header(file);
    const journals = this.#limitedJournals();
    for (const path of this.#listing.unfinished) this.#removeIfPossible(path);
    const first = this.#readNewestSnapshot() ?? this.#beginning(journals);
    for (const journal of journals) {
      if (journal.file.generation >= first) this.#readJournal(journal);
    }
    return {
      wishes: this.#wishes.list(),
      revision: this.#revision,
      lastRevisions: this.#lastRevisions,
      steps: this.#steps,
      stepCrc: this.#stepCrc,
      snapshot: this.#snapshot,
      read: this.#read,
      last: this.#last,
      journalBytes: this.#journalBytes,
      nextGeneration: this.#listing.nextGeneration,
    };
  }

  #limitedJournals(): LimitedJournal[] {
    let limit = Infinity;
    const journals = this.#listing.journals.toReversed().map((file) => {
      const header = this.#header(file);
      const journal = { file, header, limit };
      limit = Math.min(limit, header?.after ?? Infinity);
      return journal;
    });
    return journals.reverse();
  }

  /** The generation of the snapshot; undefined if there is none. */
  #readNewestSnapshot(): number | undefined {
    for (const file of this.#listing.snapshots.toReversed()) {
      const bytes = this.#bytes(file);
      if (bytes !== undefined && this.#readSnapshot(file, bytes)) return file.generation;
      this.#setAsideWhole('a damaged snapshot was set aside', 'error', file, bytes);
    }
    return undefined;
  }

  /** Whether it is whole. */
  #readSnapshot(file: StoreFile, bytes: Buffer): boolean {
    const beginning = this.#parseHeader(file, bytes);
    if (beginning === undefined) return false;
    const wishes = readSnapshot(this.#reader, bytes, beginning.line);
    if (wishes === undefined) return false;
    this.#wishes = wishes;
    this.#snapshot = { generation: file.generation, bytes: bytes.length };
    this.#steps = beginning.header.after;
    this.#stepCrc = beginning.header.afterCrc;
    this.#revision = beginning.header.revision;
    return true;
  }

  /** Without a snapshot: the generation of the newest journal that begins after no step; 0 if there is none. */
  #beginning(journals: readonly LimitedJournal[]): number {
    const first = journals.findLast(({ header }) => header?.after === 0);
    if (first !== undefined) return first.file.generation;
    const { snapshots } = this.#listing;
    const [lost] = [...snapshots, ...journals.filter(({ header }) => header !== undefined).map(({ file }) => file)];
    if (lost !== undefined) {
      this.#onNote({ note: 'nothing that was saved can be read', level: 'error', path: lost.path });
    }
    return 0;
  }

  #readJournal({ file, header, limit }: LimitedJournal): void {
    // All of its steps were taken back.
    if (header !== undefined && header.after >= limit) return;
    const bytes = this.#bytes(file);
    const beginning = bytes && this.#parseHeader(file, bytes);
    if (bytes === undefined || beginning === undefined) {
      // Without a second line this is a power cut while it was made.
      const newline = bytes?.indexOf(NEWLINE) ?? 0;
      const hasSteps = bytes === undefined || (newline !== -1 && newline < bytes.length - 1);
      const isGone =
        bytes?.length === 0
          ? this.#removeIfPossible(file.path)
          : this.#setAsideWhole('a journal without a header was set aside', hasSteps ? 'error' : 'warn', file, bytes);
      // It may have been cut to nothing, which must be durable: with its header it would say again where those before it end.
      if (!isGone) this.#read.push(file);
      return;
    }
    const { after, afterCrc } = beginning.header;
    if (after !== this.#steps || afterCrc !== this.#stepCrc) {
      this.#setAsideWhole('a journal without what comes before it was set aside', 'error', file, bytes);
      return;
    }
    if (this.#revision < beginning.header.revision) this.#revision = beginning.header.revision;
    this.#readSteps(file, bytes, beginning.line, limit);
  }

  #readSteps(file: StoreFile, bytes: Buffer, end: { readonly end: number; readonly crc: number }, limit: number): void {
    const stepsBefore = this.#steps;
    while (end.end < bytes.length && this.#steps < limit) {
      const step = readStep(this.#reader, bytes, end.end, end.crc);
      if (step === undefined) break;
      takeStep(this.#wishes, step);
      if (this.#revision < step.revision) this.#revision = step.revision;
      this.#lastRevisions.set(step.owner, step.revision);
      this.#steps++;
      this.#stepCrc = step.crc;
      end = step;
    }
    this.#journalBytes += end.end;
    const isWhole = end.end === bytes.length || this.#steps === limit;
    const isTornEnd = !isWhole && limit === Infinity && isTorn(bytes, end.end, end.crc);
    if (isTornEnd) {
      this.#onNote({
        note: 'an unfinished step was cut off',
        level: 'info',
        path: file.path,
        bytes: bytes.length - end.end,
      });
    } else if (!isWhole) {
      this.#setAsideRest(file, bytes.subarray(end.end));
    }
    if (limit === Infinity && (isWhole || isTornEnd)) {
      this.#last = { file, end: { size: end.end, crc: end.crc }, steps: this.#steps - stepsBefore };
    } else {
      this.#read.push(file);
    }
  }

  #header(file: StoreFile): Header | undefined {
    const bytes = this.#bytes(file, HEADER_MAX);
    return bytes && this.#parseHeader(file, bytes)?.header;
  }

  #parseHeader({ kind, generation, path }: StoreFile, bytes: Buffer): ReturnType<typeof readHeader> {
    return readHeader(bytes, { kind, generation, table: this.#table }, path);
  }

  /**
   * Undefined if the disk can no longer read it, which is damage like any other. Other errors say nothing of the file.
   *
   * @throws StorageError
   */
  #bytes({ path }: StoreFile, limit?: number): Buffer | undefined {
    try {
      return this.#disk.readSync(path, limit);
    } catch (error) {
      const storageError = asStorageError(error, path, 'read');
      if (storageError.errno !== 'EIO') throw storageError;
      return undefined;
    }
  }

  /** Whether it could be moved. */
  #setAsideWhole(
    note: SetAsideNote['note'],
    level: SetAsideNote['level'],
    file: StoreFile,
    bytes: Buffer | undefined,
  ): boolean {
    const path = setAsidePath(file, this.#nextSetAside++);
    const isMoved = this.#attempt(() => {
      this.#disk.renameSync(file.path, path);
    });
    this.#onNote({ note, level, path: file.path, keptAs: isMoved ? path : undefined, bytes: bytes?.length });
    return isMoved;
  }

  #setAsideRest(file: StoreFile, rest: Buffer): void {
    const path = setAsidePath(file, this.#nextSetAside++);
    const isCopied = this.#attempt(() => {
      const copy = this.#disk.openSync(path, 'create');
      try {
        copy.writeSync(rest, 0);
        copy.datasyncSync();
      } finally {
        copy.closeSync();
      }
    });
    this.#onNote({
      note: 'the damaged rest of a journal was set aside',
      level: 'error',
      path: file.path,
      keptAs: isCopied ? path : undefined,
      bytes: rest.length,
    });
  }

  #removeIfPossible(path: string): boolean {
    return this.#attempt(() => {
      this.#disk.removeSync(path);
    });
  }

  /** Whether the disk did it. What it does not do is done at the next start; nothing depends on it. */
  #attempt(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return false;
    }
  }
}

/** Whether this user may not do it, which no later attempt changes. */
export function isRefusal(errno: string): boolean {
  return errno === 'EACCES' || errno === 'EPERM';
}

/**
 * Whether what begins at `start` looks like steps that were being written when the power went: the file ends within a
 * line or a step, or its last line has bytes that never came to the disk and read as zeros.
 */
function isTorn(bytes: Buffer, start: number, crc: number): boolean {
  let end = start;
  for (let line = readCheckedLine(bytes, end, crc); line !== undefined; line = readCheckedLine(bytes, end, crc)) {
    ({ end, crc } = line);
  }
  const rest = bytes.subarray(end);
  const newline = rest.indexOf(NEWLINE);
  return newline === -1 || (newline === rest.length - 1 && rest.includes(0));
}

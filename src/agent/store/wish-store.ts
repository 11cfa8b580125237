// The wishes of a table on the disk: what was saved outlives the agent, the machine's power and a full disk.
//
// A directory has generations: `snapshot.N`, and `journal.N` with the steps after it. A step is a line of the newest
// journal before it is taken, and durable when `sync` says so. docs/decisions/0007-snapshot-and-journal.md has the why.
import type { Step } from '../rib/rib.js';
import type { Disk } from './disk.js';
import { storeFile } from './files.js';
import { Journal } from './journal.js';
import { linuxDisk } from './linux-disk.js';
import type { FailureNote, StoreNote } from './note.js';
import { type Recovered, isRefusal, recover } from './recover.js';
import { unnecessaryFiles, writeSnapshotFile } from './snapshot-file.js';
import { SnapshotSchedule, type StoreProgress } from './snapshot-schedule.js';
import { encodeSnapshot } from './snapshot-text.js';
import { type StorageError, asStorageError, errnoOf } from './storage-error.js';
import type { OwnedResource } from './wishes.js';

export type { StoreNote } from './note.js';
export { StorageError } from './storage-error.js';
export type { OwnedResource } from './wishes.js';

export interface StoreOptions {
  /** The directory of this one table; nobody else writes there while the store is open. */
  readonly directory: string;
  readonly table: number;
  readonly onNote: (note: StoreNote) => void;
  readonly disk?: Disk;
}

export interface OpenedStore {
  readonly store: WishStore;
  readonly wishes: readonly OwnedResource[];
  /** The highest one that was saved; 0n if there is none. */
  readonly revision: bigint;
  /** That of the last step of each owner who has one after the snapshot. */
  readonly lastRevisions: ReadonlyMap<string, bigint>;
}

/**
 * Reads what was saved and goes on from there. A disk that is full or read-only does not stop it: wishes are read, and
 * changes are refused until they can be written.
 *
 * @throws StorageError if the files may not be read or written by this user (EACCES, EPERM), were written by a newer
 *   program (ENOTSUP) or belong to another table (EINVAL).
 */
export function openWishStore(options: StoreOptions): OpenedStore {
  const withDisk = { disk: linuxDisk, ...options };
  const recovered = recover(withDisk);
  const store = new WishStore(withDisk, recovered);
  const { wishes, revision, lastRevisions } = recovered;
  return { store, wishes, revision, lastRevisions };
}

/** Someone who waits until a step is durable. */
interface Waiter {
  readonly step: number;
  readonly resolve: () => void;
  readonly reject: (error: StorageError) => void;
}

export class WishStore {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #table: number;
  readonly #onNote: (note: StoreNote) => void;
  /** Those with steps that may not be durable, in order; steps go to the last, if it is not broken. */
  #journals: Journal[] = [];
  #nextGeneration: number;
  /** Steps are counted from the first of the table. */
  #appended: number;
  #durable: number;
  /** Checksums of the last of these; 0 if there is none. */
  #appendedCrc: number;
  #durableCrc: number;
  #revision: bigint;
  /** Names of journals may not be durable yet. */
  #isDirectoryDirty = false;
  #waiters: Waiter[] = [];
  #isCommitting = false;
  /** The newest snapshot. */
  #snapshot: Recovered['snapshot'];
  /** Bytes of all journals from that snapshot on. */
  #journalBytes: number;
  /** Why what was read at the start may not be durable; until a snapshot is, nothing can be saved that follows it. */
  #doubt: StorageError | undefined;
  readonly #schedule = new SnapshotSchedule();
  #running: Promise<void> | undefined;
  #isClosed = false;

  /** For `openWishStore`. */
  constructor({ disk, directory, table, onNote }: Required<StoreOptions>, recovered: Recovered) {
    this.#disk = disk;
    this.#directory = directory;
    this.#table = table;
    this.#onNote = onNote;
    this.#appended = this.#durable = recovered.steps;
    this.#appendedCrc = this.#durableCrc = recovered.stepCrc;
    this.#revision = recovered.revision;
    this.#snapshot = recovered.snapshot;
    this.#journalBytes = recovered.journalBytes;
    this.#nextGeneration = recovered.nextGeneration;
    this.#goOn(recovered);
  }

  /**
   * Writes a step, before it is taken. `sync` is to be called in the same turn of the event loop.
   *
   * @throws StorageError if that cannot be done; nothing has changed then. `wantsSnapshot` may be the cure.
   */
  append(step: Step, revision: bigint): void {
    if (this.#isClosed) throw new Error('the store is closed');
    if (this.#doubt !== undefined) throw this.#doubt;
    const journal = this.#writableJournal();
    const { size } = journal.end;
    try {
      journal.append(step, revision);
    } catch (error) {
      throw asStorageError(error, journal.file.path, 'saved');
    }
    this.#journalBytes += journal.end.size - size;
    this.#appended++;
    this.#appendedCrc = journal.end.crc;
    if (this.#revision < revision) this.#revision = revision;
  }

  /**
   * Resolves when all that was appended until now is durable. One fdatasync(2) serves all who wait.
   *
   * @throws StorageError (rejects) if it cannot be made durable. All that was appended and is not durable is gone from
   *   the store then, and all who wait for it are told: they take their steps back.
   */
  sync(): Promise<void> {
    if (this.#durable === this.#appended) return Promise.resolve();
    const done = new Promise<void>((resolve, reject) => {
      this.#waiters.push({ step: this.#appended, resolve, reject });
    });
    // What it throws is a bug, and ends the process.
    if (!this.#isCommitting) void this.#commitAll();
    return done;
  }

  /** Whether it is time for a snapshot. */
  get wantsSnapshot(): boolean {
    if (this.#running !== undefined || this.#isClosed) return false;
    if (this.#doubt !== undefined) return true;
    return this.#schedule.isDue(this.#progress());
  }

  /**
   * Saves the wishes as they are now, so that the journals until now are needed no more. Appending goes on meanwhile.
   * `wishes` is read little by little and must be those of now all the while (`freezeWishes`).
   *
   * Resolves when it is done, or when it failed: that is a note, all is as before, and `wantsSnapshot` asks again later.
   *
   * @param others makes durable what is known by the journals until now: they are not read again when the snapshot is there
   */
  snapshot(
    wishes: Iterable<OwnedResource>,
    revision: bigint,
    others: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    if (this.#isClosed) throw new Error('the store is closed');
    this.#running ??= this.#writeSnapshot(wishes, revision, others).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when what is under way has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    // Those who asked have heard of what failed.
    await Promise.allSettled([this.#running, this.sync()]);
    this.#closeJournals(this.#journals.splice(0));
  }

  /** Makes what was read durable, and opens a journal for what comes. */
  #goOn({ read, last }: Recovered): void {
    let path = this.#directory;
    this.#isDirectoryDirty = true;
    try {
      for ({ path } of read) this.#datasyncNow(path);
      if (last !== undefined) {
        ({ path } = last.file);
        this.#journals.push(Journal.resume(this.#disk, last.file, last.end, last.steps));
      }
      // What was damaged is in the way of nothing; a snapshot makes it unnecessary.
      else if (read.length > 0) this.#schedule.demand();
    } catch (error) {
      this.#doubt = this.#noteStart(error, path);
    }
    try {
      this.#writableJournal();
      this.#disk.syncDirectorySync(this.#directory);
      this.#isDirectoryDirty = false;
    } catch (error) {
      this.#noteStart(error, this.#directory);
    }
  }

  #noteStart(error: unknown, path: string): StorageError {
    const storageError = asStorageError(error, path, 'saved');
    if (isRefusal(storageError.errno)) throw storageError;
    this.#noteFailure('the journal cannot be gone on with', 'error', storageError);
    return storageError;
  }

  #datasyncNow(path: string): void {
    const file = this.#disk.openSync(path, 'continue');
    try {
      file.datasyncSync();
    } finally {
      file.closeSync();
    }
  }

  #writableJournal(): Journal {
    const last = this.#journals.at(-1);
    return last === undefined || last.isBroken ? this.#beginJournal() : last;
  }

  /** @throws StorageError */
  #beginJournal(): Journal {
    const file = storeFile(this.#directory, 'journal', this.#nextGeneration);
    try {
      const header = { table: this.#table, ...this.#after(), revision: this.#revision };
      const journal = Journal.create(this.#disk, file, header);
      this.#nextGeneration++;
      this.#journalBytes += journal.end.size;
      this.#isDirectoryDirty = true;
      this.#journals.push(journal);
      return journal;
    } catch (error) {
      throw asStorageError(error, file.path, 'saved');
    }
  }

  /** What a file that begins now comes after. */
  #after(): { readonly after: number; readonly afterCrc: number } {
    return { after: this.#appended, afterCrc: this.#appendedCrc };
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    while (this.#waiters.length > 0) {
      // All requests of this turn of the event loop share one fdatasync.
      await new Promise((resolve) => setImmediate(resolve));
      try {
        await this.#commitOnce();
      } catch (error) {
        this.#takeBack(asStorageError(error, this.#journals.at(-1)?.file.path ?? this.#directory, 'saved'));
      }
    }
    this.#isCommitting = false;
  }

  async #commitOnce(): Promise<void> {
    const target = this.#appended;
    const targetCrc = this.#appendedCrc;
    const journals = this.#journals.map((journal) => ({ journal, end: journal.end }));
    const isDirectoryDirty = this.#isDirectoryDirty;
    this.#isDirectoryDirty = false;
    try {
      // In order: what is in a later journal is of no use without those before it.
      for (const { journal } of journals) await journal.datasync();
      if (isDirectoryDirty) await this.#disk.syncDirectory(this.#directory);
    } catch (error) {
      this.#isDirectoryDirty ||= isDirectoryDirty;
      throw error;
    }
    this.#durable = target;
    this.#durableCrc = targetCrc;
    for (const { journal, end } of journals) journal.setDurable(end);
    // Nothing was written any more to those before the last.
    const ended = journals.slice(0, -1).map(({ journal }) => journal);
    this.#journals = this.#journals.filter((journal) => !ended.includes(journal));
    this.#closeJournals(ended);
    const done = this.#waiters.filter(({ step }) => step <= target);
    this.#waiters = this.#waiters.filter(({ step }) => step > target);
    for (const { resolve } of done) resolve();
  }

  /**
   * After a failed fdatasync(2) nobody knows what is on the disk, and a second one succeeds without having written
   * anything (fsync(2), "errors"). So nothing is written to these journals any more.
   */
  #takeBack(error: StorageError): void {
    this.#appended = this.#durable;
    this.#appendedCrc = this.#durableCrc;
    this.#schedule.demand();
    const journals = this.#journals.splice(0);
    for (const journal of journals) journal.abandon();
    this.#closeJournals(journals);
    this.#noteFailure('changes could not be made durable and were taken back', 'error', error);
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  async #writeSnapshot(wishes: Iterable<OwnedResource>, revision: bigint, others: () => Promise<void>): Promise<void> {
    let path = this.#directory;
    const noteFailed = this.#schedule.begin();
    try {
      const journal = this.#journalForSnapshot();
      const file = storeFile(this.#directory, 'snapshot', journal.file.generation);
      path = file.path;
      const bytesOfOthers = this.#journalBytes - journal.end.size;
      const { kind, generation } = file;
      const header = { kind, generation, table: this.#table, ...this.#after(), revision };
      // If these steps are taken back, the snapshot must not be seen.
      const allIsDurable = Promise.all([this.sync(), others()]).then(() => undefined);
      // Awaited when all is written, which may be after it has failed.
      allIsDurable.catch(() => undefined);
      const chunks = encodeSnapshot(header, wishes);
      const bytes = await writeSnapshotFile(this.#disk, this.#directory, file, chunks, allIsDurable);
      const { generation: before } = this.#snapshot;
      this.#snapshot = { generation, bytes };
      this.#doubt = undefined;
      this.#journalBytes -= bytesOfOthers;
      this.#schedule.succeed();
      await this.#removeOld(before);
    } catch (error) {
      noteFailed(this.#progress());
      this.#noteFailure('the snapshot could not be written', 'warn', asStorageError(error, path, 'saved'));
    }
  }

  #progress(): StoreProgress {
    return { steps: this.#appended, journalBytes: this.#journalBytes, snapshotBytes: this.#snapshot.bytes };
  }

  #journalForSnapshot(): Journal {
    const last = this.#journals.at(-1);
    const isFresh = last?.steps === 0 && !last.isBroken && last.file.generation > this.#snapshot.generation;
    return isFresh ? last : this.#beginJournal();
  }

  /** Removes what is older than a generation. */
  async #removeOld(oldest: number): Promise<void> {
    let path = this.#directory;
    try {
      for (path of unnecessaryFiles(this.#directory, this.#disk.listSync(this.#directory), oldest)) {
        await this.#disk.remove(path);
      }
    } catch (error) {
      this.#noteFailure('an old file could not be removed', 'warn', asStorageError(error, path, 'saved'));
    }
  }

  #closeJournals(journals: readonly Journal[]): void {
    for (const journal of journals) {
      try {
        journal.close();
      } catch (error) {
        // What it says is about writes that fdatasync has answered for.
        if (errnoOf(error) === undefined) throw error;
      }
    }
  }

  #noteFailure(note: FailureNote['note'], level: FailureNote['level'], { path, errno, message }: StorageError): void {
    this.#onNote({ note, level, path, errno, text: message });
  }
}

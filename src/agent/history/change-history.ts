// The changes of all owners of a table, with what takes them back.
//
// A record is written before the journal has the step: to take back what never came to be changes nothing, and a step
// without a record could not be taken back. docs/decisions/0015-safe-changes.md has the why.
import { HISTORY_BYTES_MAX, HISTORY_ENTRIES_MAX, HISTORY_OWNERS_MAX } from '../../model/limits.js';
import type { StepNote } from '../engine.js';
import type { Undo } from '../rib/restore.js';
import type { Step } from '../rib/rib.js';
import type { Disk } from '../store/disk.js';
import { StepWriter } from '../store/step-lines.js';
import { type StorageError, asStorageError, errnoOf } from '../store/storage-error.js';
import { type HistoryEntry, HistoryLostError, type HistoryNote, type ListedEntry, entryOf } from './entry.js';
import { FileRecords, type HistoryDirectory, parseHistoryFileName } from './file-records.js';
import { MemoryRecords } from './memory-records.js';
import { OpenFiles } from './open-files.js';
import { OwnerHistory, UnconfirmedFullError } from './owner-history.js';

/** Time after which the disk is to have what was written, in ms. */
const SYNC_AFTER_MS = 1_000;

/** Where the history of a table is saved. */
export interface SavedHistory {
  readonly disk: Disk;
  /** Of this one table's history; it is there. */
  readonly directory: string;
  readonly table: number;
  /** Of the last step of each owner who has one after the snapshot, and of all steps: what comes after them never was. */
  readonly lastRevisions: ReadonlyMap<string, bigint>;
  /** Whose steps are not in the journal. */
  readonly unsavedOwner: string | undefined;
}

export interface ChangeHistoryOptions {
  /** Undefined: it ends with the agent. */
  readonly saved: SavedHistory | undefined;
  /** The highest revision that was saved; 0n if nothing was. */
  readonly revision: bigint;
  /** That with which the agent begins. */
  readonly firstRevision: bigint;
  /** What of an owner must be kept: what comes after this revision; undefined if nothing must. */
  readonly neededAfter: (owner: string) => bigint | undefined;
  readonly onNote: (note: HistoryNote) => void;
  /** ms after 1970. */
  readonly now?: () => number;
}

/** Entries between two looks whether there is room. */
const ENTRIES_PER_LOOK = 16;

export class ChangeHistory {
  readonly #options: ChangeHistoryOptions;
  readonly #shared: HistoryDirectory | undefined;
  /** The owner whose last change is the oldest first. */
  readonly #owners = new Map<string, OwnerHistory>();
  readonly #records = new Map<string, FileRecords>();
  readonly #takeOut = new WeakMap<Step, () => void>();
  readonly #dirty = new Set<OwnerHistory>();
  /** Of owners who are not known here. */
  #startRevision: bigint;
  #size = 0;
  /** Entries since it was looked whether there is room. */
  #sinceLook = 0;
  #hasFailed = false;
  #syncing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ChangeHistoryOptions) {
    this.#options = options;
    // Between the two nothing changes what an owner wants.
    this.#startRevision = options.revision > 0n ? options.revision : options.firstRevision;
    const { saved } = options;
    if (saved === undefined) return;
    const { disk, directory, table } = saved;
    this.#shared = { disk, directory, table, writer: new StepWriter(), files: new OpenFiles(disk) };
    this.#readAll(saved);
  }

  /** The entries of an owner or of all, the newest first. */
  list(owner: string | undefined): Iterable<ListedEntry> {
    if (owner !== undefined) return this.#owners.get(owner)?.list() ?? [];
    const all = [...this.#owners.values()].flatMap((each) => [...each.list()]);
    return all.sort((a, b) => (a.revision < b.revision ? 1 : -1));
  }

  /** The last change of an owner. */
  last(owner: string): HistoryEntry | undefined {
    return this.#owners.get(owner)?.last;
  }

  /** The change that a request made. */
  find(owner: string, requestId: string): HistoryEntry | undefined {
    return this.#owners.get(owner)?.find(requestId);
  }

  /** What takes the changes of an owner after a revision back, the newest first. Throws as OwnerHistory does. */
  undosAfter(owner: string, revision: bigint): readonly Undo[] {
    const history = this.#owners.get(owner) ?? new OwnerHistory(owner, new MemoryRecords(), this.#startRevision);
    try {
      return history.undosAfter(revision);
    } catch (error) {
      throw errnoOf(error) === undefined || error instanceof HistoryLostError ? error : this.#asRead(error);
    }
  }

  /**
   * Remembers a step that will be taken.
   *
   * @param isNeeded it must be, and last
   * @throws StorageError if it must and cannot be, UnconfirmedFullError; it is not remembered then.
   */
  add(step: Step, revision: bigint, note: StepNote, isNeeded: boolean): void {
    const neededAfter = this.#options.neededAfter(step.owner);
    const history = this.#historyOf(step.owner);
    const entry = entryOf(step, revision, history.lastRevision, note, (this.#options.now ?? Date.now)());
    const { size } = history;
    // Of what is not saved itself nothing is needed by an agent that comes next.
    const mustLast = isNeeded && step.owner !== this.#options.saved?.unsavedOwner;
    try {
      this.#takeOut.set(step, history.add(entry, step, neededAfter, mustLast));
      this.#hasFailed = false;
    } catch (error) {
      if (errnoOf(error) === undefined || error instanceof UnconfirmedFullError) throw error;
      if (mustLast) throw this.#asSaved(error);
      this.#noteFailure(error, step.owner);
      this.#takeOut.set(step, history.addLost(entry));
    }
    this.#size += history.size - size;
    this.#dirty.add(history);
    this.#scheduleSync();
  }

  /** Forgets a step that was not taken or was taken back; of several of one owner the last one first. */
  withdraw(step: Step): void {
    const history = this.#owners.get(step.owner);
    if (history === undefined) return;
    const { size } = history;
    try {
      this.#takeOut.get(step)?.();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      if (!this.#isNeeded(step.owner)) history.lose();
    }
    this.#takeOut.delete(step);
    this.#size += history.size - size;
  }

  /** Resolves when the disk has all, or what says that there is more. Rejects with a system error or StorageError. */
  sync(): Promise<void> {
    const done = this.#syncing.then(() => this.#syncDirty());
    this.#syncing = done.catch(() => undefined);
    return done;
  }

  async #syncDirty(): Promise<void> {
    for (const history of [...this.#dirty]) {
      this.#dirty.delete(history);
      try {
        await history.sync();
      } catch (error) {
        this.#dirty.add(history);
        if (errnoOf(error) === undefined || this.#isNeeded(history.owner)) throw error;
        // What fdatasync(2) could not write is taken for written from then on.
        history.lose();
        await history.sync();
        this.#dirty.delete(history);
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#syncQuietly();
    this.#shared?.files.closeAll();
  }

  #historyOf(owner: string): OwnerHistory {
    const known = this.#owners.get(owner);
    // It becomes the most recently used.
    this.#owners.delete(owner);
    const history = known ?? this.#open(owner);
    this.#owners.set(owner, history);
    // Adding up what all have costs more than an entry, and none is that large.
    if (known === undefined || this.#sinceLook++ >= ENTRIES_PER_LOOK) this.#makeRoom(owner);
    return history;
  }

  #open(owner: string): OwnerHistory {
    if (this.#shared === undefined) return new OwnerHistory(owner, new MemoryRecords(), this.#startRevision);
    const records = new FileRecords(this.#shared, owner);
    this.#records.set(owner, records);
    return new OwnerHistory(owner, records, this.#startRevision);
  }

  /** Forgets owners until there is room for one more entry of `owner`. */
  #makeRoom(owner: string): void {
    this.#sinceLook = 0;
    for (const [oldest, history] of this.#owners) {
      if (!this.#isOverfull()) return;
      if (oldest === owner || this.#isNeeded(oldest)) continue;
      this.#forget(oldest, history);
    }
  }

  #isNeeded(owner: string): boolean {
    return this.#options.neededAfter(owner) !== undefined;
  }

  #isOverfull(): boolean {
    if (this.#owners.size > HISTORY_OWNERS_MAX || this.#size >= HISTORY_ENTRIES_MAX) return true;
    let bytes = 0;
    for (const records of this.#records.values()) bytes += records.bytes;
    return bytes >= HISTORY_BYTES_MAX;
  }

  #forget(owner: string, history: OwnerHistory): void {
    if (this.#startRevision < history.lastRevision) this.#startRevision = history.lastRevision;
    this.#size -= history.size;
    this.#owners.delete(owner);
    this.#records.delete(owner);
    this.#dirty.delete(history);
    try {
      history.remove();
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      // They are found again at the next start, as what they are: the last known of an owner.
    }
  }

  #readAll(saved: SavedHistory): void {
    const found = new Map<string, number[]>();
    for (const name of this.#names(saved)) {
      const file = parseHistoryFileName(name);
      if (file !== undefined) found.set(file.owner, [...(found.get(file.owner) ?? []), file.generation]);
    }
    const histories = [...found].map(([owner, generations]) => this.#read(owner, generations, saved));
    histories.sort((a, b) => (a.lastRevision < b.lastRevision ? -1 : 1));
    for (const history of histories) {
      this.#owners.set(history.owner, history);
      this.#size += history.size;
    }
  }

  #names({ disk, directory }: SavedHistory): readonly string[] {
    try {
      return disk.listSync(directory);
    } catch (error) {
      this.#noteFailure(error, undefined);
      return [];
    }
  }

  #read(owner: string, generations: readonly number[], saved: SavedHistory): OwnerHistory {
    const history = this.#open(owner);
    // What is cut off now must stay so.
    this.#dirty.add(history);
    try {
      for (const generation of generations.toSorted((a, b) => a - b)) {
        for (const { entry, kept } of this.#records.get(owner)?.read(generation) ?? []) history.adopt(entry, kept);
      }
      const last = saved.lastRevisions.get(owner);
      history.dropAfter(last ?? this.#options.revision);
      if (owner === saved.unsavedOwner) history.loseUndos(this.#options.revision);
      else if (last !== undefined && history.lastRevision !== last) history.loseUndos(last);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      this.#noteFailure(error, owner);
      history.lose();
    }
    return history;
  }

  #scheduleSync(): void {
    if (this.#shared === undefined || this.#timer !== undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      // It catches everything but bugs.
      void this.#syncQuietly();
    }, SYNC_AFTER_MS);
    this.#timer.unref();
  }

  async #syncQuietly(): Promise<void> {
    try {
      await this.sync();
    } catch (error) {
      this.#noteFailure(error, undefined);
    }
  }

  /** One failure after another is told once. */
  #noteFailure(error: unknown, owner: string | undefined): void {
    const { path, errno, message } = this.#asSaved(error);
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const note = 'changes cannot be taken back: the history could not be written';
    this.#options.onNote({
      note,
      level: 'warn',
      path,
      errno,
      text: message,
      ...(owner === undefined ? {} : { owner }),
    });
  }

  #asSaved(error: unknown): StorageError {
    return asStorageError(error, this.#shared?.directory ?? '', 'saved');
  }

  #asRead(error: unknown): StorageError {
    return asStorageError(error, this.#shared?.directory ?? '', 'read');
  }
}

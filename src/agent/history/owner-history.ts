// The changes of one owner, the newest last, and which of them can be taken back.
import type { Step } from '../rib/rib.js';
import type { Undo } from '../rib/restore.js';
import { type HistoryEntry, HistoryLostError, type ListedEntry } from './entry.js';
import type { KeptRecord, Records } from './records.js';

/** Generations that are kept, but for those that a change which waits for confirmation needs. */
const GENERATIONS = 2;

/** Those that such a change may need. */
const NEEDED_GENERATIONS_MAX = 8;

/** An entry, and its record if it could be written. */
interface Remembered {
  readonly entry: HistoryEntry;
  readonly kept: KeptRecord | undefined;
  readonly generation: number;
}

/** A change waits for confirmation, and too many came after it. */
export class UnconfirmedFullError extends Error {
  readonly code = 'UNCONFIRMED_FULL';
}

export class OwnerHistory {
  readonly owner: string;
  readonly #records: Records;
  /** Of what came before it nothing is known. */
  readonly #startRevision: bigint;
  #entries: Remembered[] = [];
  /** Those from this index on can be taken back, one after the other from the last one. */
  #undoableFrom = 0;
  /** Of its last change, be it known or not. */
  #lastRevision: bigint;
  /** The last change has no record: an agent that comes next must not take what it finds for all. */
  #hasGap = false;
  /** The files should be gone, and are not. */
  #isRemovalDue = false;

  /** @param startRevision of what came before it nothing is known */
  constructor(owner: string, records: Records, startRevision: bigint) {
    this.owner = owner;
    this.#records = records;
    this.#startRevision = startRevision;
    this.#lastRevision = startRevision;
  }

  get size(): number {
    return this.#entries.length;
  }

  get last(): HistoryEntry | undefined {
    return this.#entries.at(-1)?.entry;
  }

  /** Of its last change, be it known or not. */
  get lastRevision(): bigint {
    return this.#lastRevision;
  }

  /** The newest first. */
  list(): ListedEntry[] {
    const listed = this.#entries.map(({ entry }, index) => ({ ...entry, canBeUndone: index >= this.#undoableFrom }));
    return listed.reverse();
  }

  /** The entry of a request. */
  find(requestId: string): HistoryEntry | undefined {
    return this.#entries.findLast(({ entry }) => entry.requestId === requestId)?.entry;
  }

  /** The first revision of which it is known what the owner had. */
  get firstRevision(): bigint {
    const first = this.#entries[this.#undoableFrom]?.entry;
    if (first === undefined) return this.#lastRevision;
    return first.after > 0n ? first.after : first.revision - 1n;
  }

  /**
   * What takes the changes after a revision back, the newest first.
   *
   * @throws HistoryLostError; StorageError or a system error if the disk does not give it.
   */
  undosAfter(revision: bigint): readonly Undo[] {
    const { firstRevision } = this;
    if (revision < firstRevision) {
      throw new HistoryLostError(
        firstRevision,
        `the history of '${this.owner}' goes back to revision ${firstRevision.toString()}, not to ${revision.toString()}: see 'mcctl history'`,
      );
    }
    const undone = this.#entries.filter(({ entry }) => entry.revision > revision);
    return undone.toReversed().flatMap(({ kept }) => kept?.undo?.() ?? []);
  }

  /** Adds an entry that was read at the start; in order. */
  adopt(entry: HistoryEntry, kept: KeptRecord): void {
    const { last } = this;
    if (last?.revision === entry.revision) {
      // The mark of a gap.
      this.#undoableFrom = this.#entries.length;
      return;
    }
    // What came between them is not known.
    if (last !== undefined && entry.after !== last.revision) this.#undoableFrom = this.#entries.length;
    this.#push(entry, kept, kept.generation);
  }

  /** Nothing that was read can be taken back: changes up to this revision came after it that it does not have. */
  loseUndos(revision: bigint): void {
    this.#undoableFrom = this.#entries.length;
    this.#lastRevision = revision;
    this.#hasGap = true;
  }

  /** Removes entries after a revision, which never came to be. Throws system errors. */
  dropAfter(revision: bigint): void {
    const first = this.#entries.findIndex(({ entry }) => entry.revision > revision);
    if (first === -1) return;
    const dropped = this.#entries.splice(first);
    this.#undoableFrom = Math.min(this.#undoableFrom, first);
    this.#lastRevision = this.last?.revision ?? this.#startRevision;
    for (const { kept } of dropped.toReversed()) kept?.cut();
  }

  /**
   * Adds the entry of a step that will be taken.
   *
   * @param neededAfter what comes after this revision must be kept; undefined if nothing must
   * @param isNeeded this one must be, and last
   * @returns what takes it out again.
   * @throws UnconfirmedFullError; StorageError or a system error, after which `addLost` is due if the step is taken.
   */
  add(entry: HistoryEntry, step: Step, neededAfter: bigint | undefined, isNeeded: boolean): () => void {
    this.#makeRoom(neededAfter);
    const kept = this.#records.append(entry, step, isNeeded);
    const takeOut = this.#push(entry, kept, kept.generation);
    this.#hasGap = false;
    return () => {
      takeOut();
      kept.cut();
    };
  }

  /** Adds the entry of a step that could not be written. Returns what takes it out again. */
  addLost(entry: HistoryEntry): () => void {
    const takeOut = this.#push(entry, undefined, this.#entries.at(-1)?.generation ?? 0);
    this.#hasGap = true;
    return takeOut;
  }

  /** Makes durable what is known, or that something is not. Rejects with system errors. */
  async sync(): Promise<void> {
    if (this.#isRemovalDue) this.#remove();
    else if (this.#hasGap) this.#markGap();
    await this.#records.sync();
  }

  /** Gives up what is on the disk, which may not be right; what is listed stays. Throws nothing. */
  lose(): void {
    this.#undoableFrom = this.#entries.length;
    this.#isRemovalDue = true;
    try {
      this.#remove();
    } catch {
      // Tried again by `sync`, before which nobody relies on it.
    }
  }

  /** Forgets everything. Throws system errors. */
  remove(): void {
    this.#entries = [];
    this.#undoableFrom = 0;
    this.#remove();
  }

  /** Returns what takes it out again. */
  #push(entry: HistoryEntry, kept: KeptRecord | undefined, generation: number): () => void {
    const [undoableFrom, hasGap, lastRevision] = [this.#undoableFrom, this.#hasGap, this.#lastRevision];
    this.#entries.push({ entry, kept, generation });
    this.#lastRevision = entry.revision;
    if (kept?.undo === undefined) this.#undoableFrom = this.#entries.length;
    return () => {
      this.#entries.pop();
      [this.#undoableFrom, this.#hasGap, this.#lastRevision] = [undoableFrom, hasGap, lastRevision];
    };
  }

  #makeRoom(neededAfter: bigint | undefined): void {
    if (this.#isRemovalDue) this.#remove();
    if (!this.#records.isFull) return;
    this.#records.beginGeneration();
    for (let [oldest] = this.#records.generations; oldest !== undefined; [oldest] = this.#records.generations) {
      const count = this.#records.generations.length;
      if (count <= GENERATIONS) return;
      const newest = this.#entries.findLast(({ generation }) => generation === oldest)?.entry.revision ?? 0n;
      if (neededAfter !== undefined && newest > neededAfter) {
        if (count > NEEDED_GENERATIONS_MAX) throw unconfirmedFull(this.owner);
        return;
      }
      this.#dropGeneration(oldest);
    }
  }

  #dropGeneration(number: number): void {
    this.#records.dropOldest();
    const rest = this.#entries.filter(({ generation }) => generation > number);
    this.#undoableFrom = Math.max(0, this.#undoableFrom - (this.#entries.length - rest.length));
    this.#entries = rest;
  }

  /** A record without its step says that there is a gap; without any record nothing is taken for all. */
  #markGap(): void {
    const { last } = this;
    try {
      if (last !== undefined) this.#records.append(last, undefined, false);
    } catch {
      this.#remove();
    }
    this.#hasGap = false;
  }

  #remove(): void {
    this.#records.remove();
    this.#isRemovalDue = false;
    this.#hasGap = false;
  }
}

function unconfirmedFull(owner: string): UnconfirmedFullError {
  return new UnconfirmedFullError(
    `too many changes of '${owner}' came while one waits for confirmation: confirm it first, or roll it back`,
  );
}

// Where the records of one owner's history are kept.
import type { Step } from '../rib/rib.js';
import type { Undo } from '../rib/restore.js';
import type { HistoryEntry } from './entry.js';

/** A record that is kept. */
export interface KeptRecord {
  readonly generation: number;
  /** What takes the change back; undefined if that is not in it. */
  readonly undo: (() => Undo) | undefined;
  /** Removes it and those after it. Throws system errors. */
  cut(): void;
}

/** Records in generations, of which the oldest are dropped. All throws system errors, or StorageError. */
export interface Records {
  /** The numbers of those that there are, the oldest first. */
  readonly generations: readonly number[];
  /** A record that is added now would begin another generation. */
  readonly isFull: boolean;
  beginGeneration(): void;
  dropOldest(): void;
  /**
   * Adds a record.
   *
   * @param undone undefined: it cannot be taken back
   * @param isNeeded it is durable when this returns, however large it is; otherwise one that is too large is kept without
   *   what takes it back
   */
  append(entry: HistoryEntry, undone: Step | undefined, isNeeded: boolean): KeptRecord;
  /** Resolves when all is durable. */
  sync(): Promise<void>;
  /** Forgets everything. */
  remove(): void;
}

import { HISTORY_MAX } from '../../model/limits.js';
import type { Slot } from './slot.js';

/** Keys that changed. A key that went and came back may be among them twice, first as it was. */
export type ChangedKeys = ReadonlySet<Slot>;

/** Which keys changed after which revision, as far back as is remembered; so that a watch can resume. */
export class History {
  /** The last revision at which each key changed, in this order. */
  readonly #revisions = new Map<Slot, bigint>();
  readonly #limit: number;
  /** Everything after this revision is remembered. */
  #compacted: bigint;

  /** @param limit keys that are remembered at most */
  constructor(start: bigint, limit = HISTORY_MAX) {
    this.#compacted = start;
    this.#limit = limit;
  }

  /** Notes that keys changed at a revision, which is higher than those before. */
  add(revision: bigint, keys: ChangedKeys): void {
    for (const slot of keys) {
      this.#revisions.delete(slot);
      this.#revisions.set(slot, revision);
    }
    for (const [slot, changed] of this.#revisions) {
      if (this.#revisions.size <= this.#limit) break;
      this.#revisions.delete(slot);
      this.#compacted = changed;
    }
  }

  /** The keys that changed after a revision; undefined if some of them are no longer known. */
  after(revision: bigint): ChangedKeys | undefined {
    if (revision < this.#compacted) return undefined;
    const keys = new Set<Slot>();
    for (const [slot, changed] of this.#revisions) if (changed > revision) keys.add(slot);
    return keys;
  }
}

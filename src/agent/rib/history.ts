import { HISTORY_MAX } from '../../model/limits.js';
import type { Slot } from './slot.js';

/** Keys that changed. A key that went and came back may be among them twice, first as it was. */
export type ChangedKeys = ReadonlySet<Slot>;

/** Which keys changed at which revision, as far back as is remembered; so that a watch can resume. */
export class History {
  /** The oldest first. */
  readonly #changes: { readonly revision: bigint; readonly slots: readonly Slot[] }[] = [];
  readonly #limit: number;
  /** Everything after this revision is remembered. */
  #compacted: bigint;
  /** Of all changes. */
  #keyCount = 0;
  /** How many of the changes are forgotten already; they are taken out many at once. */
  #forgotten = 0;

  /** @param limit keys that are remembered at most, one that changed twice counted twice */
  constructor(start: bigint, limit = HISTORY_MAX) {
    this.#compacted = start;
    this.#limit = limit;
  }

  /** Notes that keys changed at a revision, which is higher than those before. */
  add(revision: bigint, keys: ChangedKeys): void {
    this.#changes.push({ revision, slots: [...keys] });
    this.#keyCount += keys.size;
    while (this.#keyCount > this.#limit) this.#forgetOldest();
  }

  /** The keys that changed after a revision; undefined if some of them are no longer known. */
  after(revision: bigint): ChangedKeys | undefined {
    if (revision < this.#compacted) return undefined;
    const keys = new Set<Slot>();
    for (const change of this.#changes.slice(this.#forgotten)) {
      if (change.revision > revision) for (const slot of change.slots) keys.add(slot);
    }
    return keys;
  }

  #forgetOldest(): void {
    const oldest = this.#changes[this.#forgotten];
    if (oldest === undefined) return;
    this.#changes[this.#forgotten] = { revision: oldest.revision, slots: [] };
    this.#forgotten++;
    this.#keyCount -= oldest.slots.length;
    this.#compacted = oldest.revision;
    if (this.#forgotten > this.#changes.length / 2) {
      this.#changes.splice(0, this.#forgotten);
      this.#forgotten = 0;
    }
  }
}

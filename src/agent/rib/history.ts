import type { ResourceKey } from '../../model/resource.js';
import { HISTORY_MAX } from '../../model/limits.js';

/** Keys that changed, by formatted key. */
export type ChangedKeys = ReadonlyMap<string, ResourceKey>;

interface Item {
  readonly revision: bigint;
  readonly text: string;
  readonly key: ResourceKey;
}

/** Which keys changed at which revision, as far back as is remembered; so that a watch can resume. */
export class History {
  readonly #items: Item[] = [];
  readonly #limit: number;
  /** Everything after this revision is remembered. */
  #compacted: bigint;
  /** Where the oldest item is, once the limit is reached. */
  #oldest = 0;

  constructor(start: bigint, limit = HISTORY_MAX) {
    this.#compacted = start;
    this.#limit = limit;
  }

  /** Notes that keys changed at a revision, which is higher than those before. */
  add(revision: bigint, keys: ChangedKeys): void {
    for (const [text, key] of keys) this.#add({ revision, text, key });
  }

  /** The keys that changed after a revision; undefined if some of them are no longer known. */
  after(revision: bigint): ChangedKeys | undefined {
    if (revision < this.#compacted) return undefined;
    const keys = new Map<string, ResourceKey>();
    for (const item of this.#items) {
      if (item.revision > revision) keys.set(item.text, item.key);
    }
    return keys;
  }

  #add(item: Item): void {
    if (this.#items.length < this.#limit) {
      this.#items.push(item);
      return;
    }
    this.#compacted = this.#items[this.#oldest]?.revision ?? this.#compacted;
    this.#items[this.#oldest] = item;
    this.#oldest = (this.#oldest + 1) % this.#limit;
  }
}

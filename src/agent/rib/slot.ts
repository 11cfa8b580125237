// A key of a table, and who wants what under it.
import { type Resource, type ResourceKey, formatResourceKey } from '../../model/resource.js';

/** What one owner wants under a key. It is the same object as long as the owner wants anything there. */
export class Held {
  readonly slot: Slot;
  readonly owner: string;
  resource: Resource;

  constructor(slot: Slot, owner: string, resource: Resource) {
    this.slot = slot;
    this.owner = owner;
    this.resource = resource;
  }
}

/** What becomes of one owner's resource under a key by changes that are being planned. */
export interface Staged {
  readonly slot: Slot;
  readonly key: ResourceKey;
  readonly before: Resource | undefined;
  after: Resource | undefined;
}

/** A key that somebody wants or has wanted. As long as somebody does, a key has one slot. */
export class Slot {
  readonly key: ResourceKey;
  /** In the order in which the owners came. */
  held: readonly Held[] = NONE;
  /** It is the one that is found by its key. */
  isIndexed = false;
  /** While changes are planned: what they have made of it so far. */
  staged: Staged | undefined;

  constructor(key: ResourceKey) {
    this.key = key;
  }

  /** The formatted key. */
  get text(): string {
    return formatResourceKey(this.key);
  }

  /** What the owner wants. */
  of(owner: string): Held | undefined {
    for (const held of this.held) if (held.owner === owner) return held;
    return undefined;
  }
}

const NONE: readonly Held[] = [];

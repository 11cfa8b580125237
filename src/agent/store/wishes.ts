// What owners want, as it stands in the files.
import type { Resource } from '../../model/resource.js';
import { KeyTable } from './key-table.js';

/** A resource and who wants it. */
export interface OwnedResource {
  readonly owner: string;
  readonly resource: Resource;
}

/** The wishes while they are read. */
export class WishMap {
  readonly #byOwner = new Map<string, KeyTable<Resource>>();

  /** Those of one owner. */
  of(owner: string): KeyTable<Resource> {
    let own = this.#byOwner.get(owner);
    if (own === undefined) {
      own = new KeyTable<Resource>();
      this.#byOwner.set(owner, own);
    }
    return own;
  }

  list(): OwnedResource[] {
    const all: OwnedResource[] = [];
    for (const [owner, own] of this.#byOwner) {
      for (const resource of own.values()) all.push({ owner, resource });
    }
    return all;
  }
}

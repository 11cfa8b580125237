// What owners want, as it stands in the files.
import { type Resource, type ResourceKey, formatResourceKey } from '../../model/resource.js';

/** A resource and who wants it. */
export interface OwnedResource {
  readonly owner: string;
  readonly resource: Resource;
}

/** The wishes while they are read. */
export class WishMap {
  readonly #byOwner = new Map<string, Map<string, Resource>>();

  put(owner: string, resource: Resource): void {
    let resources = this.#byOwner.get(owner);
    if (resources === undefined) {
      resources = new Map<string, Resource>();
      this.#byOwner.set(owner, resources);
    }
    resources.set(formatResourceKey(resource.key), resource);
  }

  delete(owner: string, key: ResourceKey): void {
    this.#byOwner.get(owner)?.delete(formatResourceKey(key));
  }

  list(): OwnedResource[] {
    const all: OwnedResource[] = [];
    for (const [owner, resources] of this.#byOwner) {
      for (const resource of resources.values()) all.push({ owner, resource });
    }
    return all;
  }
}

// What every owner wants of the table: the only place where wishes are kept. Pure state, no I/O.
import type { Effect } from '../../model/change.js';
import { RESOURCES_PER_TABLE_MAX } from '../../model/limits.js';
import { type Resource, type ResourceKey, formatResourceKey, sameResource } from '../../model/resource.js';

/** A step that has been checked and not been taken yet: the owner's keys that it touches. */
export interface Step {
  readonly owner: string;
  /** By formatted key. */
  readonly differences: ReadonlyMap<string, Difference>;
}

/** An owner's resource before and after a step; the two are not the same. */
export interface Difference {
  readonly key: ResourceKey;
  readonly before: Resource | undefined;
  readonly after: Resource | undefined;
}

/** A resource and those who want it just so. */
export interface Wish {
  readonly resource: Resource;
  readonly owners: readonly string[];
}

/** A resource and one who wants it. */
export interface OwnedResource {
  readonly owner: string;
  readonly resource: Resource;
}

/** The table would hold more resources than it may. */
export class RibFullError extends Error {
  readonly code = 'RIB_FULL';
}

/** The wishes of all owners. */
export class Rib {
  readonly #byOwner = new Map<string, Map<string, Resource>>();
  readonly #byKey = new Map<string, Map<string, Resource>>();
  #size = 0;

  /** Resources of all owners; one that two owners want counts twice. */
  get size(): number {
    return this.#size;
  }

  /** An owner's resource. */
  get(owner: string, key: string): Resource | undefined {
    return this.#byOwner.get(owner)?.get(key);
  }

  /** An owner's resources by formatted key, in the order in which they came. */
  ofOwner(owner: string): ReadonlyMap<string, Resource> {
    return this.#byOwner.get(owner) ?? new Map<string, Resource>();
  }

  /** The owners who want anything. */
  owners(): Iterable<string> {
    return this.#byOwner.keys();
  }

  /** All formatted keys, in the order in which they came. */
  keys(): Iterable<string> {
    return this.#byKey.keys();
  }

  /** Number of different keys. */
  get keyCount(): number {
    return this.#byKey.size;
  }

  /** The wishes of one key: none, one, or several where owners differ on its content. */
  wishes(key: string): readonly Wish[] {
    const wishes: { resource: Resource; owners: string[] }[] = [];
    for (const [owner, resource] of this.#byKey.get(key) ?? []) {
      const same = wishes.find((wish) => sameResource(wish.resource, resource));
      if (same === undefined) wishes.push({ resource, owners: [owner] });
      else same.owners.push(owner);
    }
    return wishes;
  }

  /**
   * Takes a step.
   *
   * @throws RibFullError if the table would hold too much; nothing has changed then.
   */
  commit(step: Step): void {
    let growth = 0;
    for (const { before, after } of step.differences.values()) {
      growth += Number(after !== undefined) - Number(before !== undefined);
    }
    if (growth > 0 && this.#size + growth > RESOURCES_PER_TABLE_MAX) {
      throw new RibFullError(
        `the table would hold ${this.#size + growth} resources; at most ${RESOURCES_PER_TABLE_MAX} are allowed`,
      );
    }
    for (const [key, { after }] of step.differences) this.#set(step.owner, key, after);
    this.#size += growth;
  }

  #set(owner: string, key: string, resource: Resource | undefined): void {
    if (resource === undefined) {
      remove(this.#byOwner, owner, key);
      remove(this.#byKey, key, owner);
    } else {
      insert(this.#byOwner, owner, key, resource);
      insert(this.#byKey, key, owner, resource);
    }
  }
}

/** The effect of a difference. */
export function effectOf(before: Resource | undefined, after: Resource | undefined): Effect {
  if (after === undefined) return before === undefined ? 'unchanged' : 'removed';
  if (before === undefined) return 'added';
  return sameResource(before, after) ? 'unchanged' : 'changed';
}

/** The step that takes another back. */
export function reverseStep({ owner, differences }: Step): Step {
  const reversed = Array.from(differences, ([text, { key, before, after }]): [string, Difference] => {
    return [text, { key, before: after, after: before }];
  });
  return { owner, differences: new Map(reversed) };
}

/** The step that makes an owner's resources exactly these; of two with one key the later counts. */
export function planReplace(rib: Rib, owner: string, resources: readonly Resource[]): Step {
  const wanted = new Map(resources.map((resource) => [formatResourceKey(resource.key), resource]));
  const held = rib.ofOwner(owner);
  const differences = new Map<string, Difference>();
  for (const [key, before] of held) {
    if (!wanted.has(key)) differences.set(key, { key: before.key, before, after: undefined });
  }
  for (const [key, after] of wanted) {
    const before = held.get(key);
    if (before === undefined || !sameResource(before, after)) {
      differences.set(key, { key: after.key, before, after });
    }
  }
  return { owner, differences };
}

function insert<A, B>(map: Map<A, Map<B, Resource>>, a: A, b: B, resource: Resource): void {
  const inner = map.get(a);
  if (inner === undefined) map.set(a, new Map([[b, resource]]));
  else inner.set(b, resource);
}

function remove<A, B>(map: Map<A, Map<B, Resource>>, a: A, b: B): void {
  const inner = map.get(a);
  inner?.delete(b);
  if (inner?.size === 0) map.delete(a);
}

// What every owner wants of the table: the only place where wishes are kept. Pure state, no I/O.
import type { Effect } from '../../model/change.js';
import { RESOURCES_PER_TABLE_MAX } from '../../model/limits.js';
import { type Resource, type ResourceKey, sameResource } from '../../model/resource.js';
import { KeyIndex } from './key-index.js';
import { Held, Slot } from './slot.js';

/** A step that has been checked and not been taken yet: the owner's resources that it touches, each key once. */
export interface Step {
  readonly owner: string;
  readonly differences: readonly Difference[];
}

/** An owner's resource before and after a step; the two are not the same. */
export interface Difference {
  readonly key: ResourceKey;
  readonly before: Resource | undefined;
  readonly after: Resource | undefined;
  /** Of the key, if whoever made the step has looked it up already. */
  readonly slot?: Slot;
}

/** A resource and those who want it just so. */
export interface Wish {
  readonly resource: Resource;
  readonly owners: readonly string[];
  /** The same, of each owner. */
  readonly held: readonly Held[];
}

/** A step that makes an owner's resources others. */
export interface PlannedReplace {
  readonly step: Step;
  /** Of the resources that the owner has then. */
  readonly keyCount: number;
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
  readonly #index = new KeyIndex<Slot>();
  /** Those that somebody wants, in the order in which they came. */
  readonly #slots = new Set<Slot>();
  /** How many resources each owner has. */
  readonly #owners = new Map<string, number>();
  #size = 0;

  /** Resources of all owners; one that two owners want counts twice. */
  get size(): number {
    return this.#size;
  }

  /** The slot of a key that somebody wants. */
  find(key: ResourceKey): Slot | undefined {
    return this.#index.get(key);
  }

  /** The slot of the key, made if there is none: it is to be committed, or given to `forget`. */
  slot(key: ResourceKey): Slot {
    const known = this.#index.get(key);
    if (known !== undefined) return known;
    const slot = new Slot(key);
    this.#reopen(slot);
    return slot;
  }

  /** Forgets the slot if nobody wants anything under its key. */
  forget(slot: Slot): void {
    if (slot.held.length > 0 || !slot.isIndexed) return;
    slot.isIndexed = false;
    this.#index.delete(slot.key);
    this.#slots.delete(slot);
  }

  /** An owner's resource. */
  get(owner: string, key: ResourceKey): Resource | undefined {
    return this.find(key)?.of(owner)?.resource;
  }

  /** What an owner wants, in the order in which the keys came. */
  *ofOwner(owner: string): Iterable<Held> {
    if (!this.#owners.has(owner)) return;
    for (const slot of this.#slots) {
      const held = slot.of(owner);
      if (held !== undefined) yield held;
    }
  }

  /** How many resources an owner has. */
  countOf(owner: string): number {
    return this.#owners.get(owner) ?? 0;
  }

  /** The keys that somebody wants, in the order in which they came. */
  slots(): Iterable<Slot> {
    return this.#slots;
  }

  /** Number of different keys. */
  get keyCount(): number {
    return this.#slots.size;
  }

  /**
   * Whether the step can be taken.
   *
   * @throws RibFullError if the table would hold too much.
   */
  check({ differences }: Step): void {
    this.checkGrowth(growthOf(differences));
  }

  /**
   * Whether there is room for so many resources more.
   *
   * @throws RibFullError if the table would hold too much.
   */
  checkGrowth(growth: number): void {
    if (growth <= 0 || this.#size + growth <= RESOURCES_PER_TABLE_MAX) return;
    throw new RibFullError(
      `the table would hold ${this.#size + growth} resources; at most ${RESOURCES_PER_TABLE_MAX} are allowed`,
    );
  }

  /** Forgets what was made for a step that is not taken. */
  drop({ differences }: Step): void {
    for (const { slot } of differences) if (slot !== undefined) this.forget(slot);
  }

  /**
   * Takes a step.
   *
   * @param onChange called with what the owner held, or holds now, of each difference
   * @throws RibFullError if the table would hold too much; nothing has changed then.
   */
  commit(step: Step, onChange: (held: Held, after: Resource | undefined) => void = () => undefined): void {
    this.check(step);
    const { owner, differences } = step;
    const growth = growthOf(differences);
    for (const difference of differences) {
      const { key, after } = difference;
      const slot = difference.slot?.isIndexed === true ? difference.slot : this.slot(key);
      const held = this.#set(slot, owner, after);
      if (held !== undefined) onChange(held, after);
    }
    this.#size += growth;
    const count = (this.#owners.get(owner) ?? 0) + growth;
    if (count === 0) this.#owners.delete(owner);
    else this.#owners.set(owner, count);
  }

  #reopen(slot: Slot): void {
    slot.isIndexed = true;
    this.#index.set(slot.key, slot);
  }

  #set(slot: Slot, owner: string, resource: Resource | undefined): Held | undefined {
    const known = slot.of(owner);
    if (resource === undefined) {
      if (known !== undefined) slot.held = slot.held.filter((each) => each !== known);
      this.forget(slot);
      return known;
    }
    if (known !== undefined) {
      known.resource = resource;
      return known;
    }
    const held = new Held(slot, owner, resource);
    if (slot.held.length === 0) this.#slots.add(slot);
    slot.held = slot.held.length === 0 ? [held] : [...slot.held, held];
    return held;
  }
}

/** The wishes under a key: none, one, or several where owners differ on its content. */
export function wishesOf({ held }: Slot): readonly Wish[] {
  const wishes: { resource: Resource; owners: string[]; held: Held[] }[] = [];
  for (const each of held) {
    const same = wishes.find((wish) => sameResource(wish.resource, each.resource));
    if (same === undefined) wishes.push({ resource: each.resource, owners: [each.owner], held: [each] });
    else {
      same.owners.push(each.owner);
      same.held.push(each);
    }
  }
  return wishes;
}

/** How many resources more there are after the differences. */
export function growthOf(differences: readonly Difference[]): number {
  let growth = 0;
  for (const { before, after } of differences) growth += Number(after !== undefined) - Number(before !== undefined);
  return growth;
}

/** The effect of a difference. */
export function effectOf(before: Resource | undefined, after: Resource | undefined): Effect {
  if (after === undefined) return before === undefined ? 'unchanged' : 'removed';
  if (before === undefined) return 'added';
  return sameResource(before, after) ? 'unchanged' : 'changed';
}

/** The step that takes another back. */
export function reverseStep({ owner, differences }: Step): Step {
  const reversed = differences.map(({ key, before, after }) => ({ key, before: after, after: before }));
  return { owner, differences: reversed };
}

/** The step that makes an owner's resources exactly these; of two with one key the later counts. */
export function planReplace(rib: Rib, owner: string, resources: readonly Resource[]): PlannedReplace {
  const wanted = new Map<Slot, Resource>();
  for (const resource of resources) wanted.set(rib.slot(resource.key), resource);
  const differences: Difference[] = [];
  for (const { slot, resource: before } of rib.ofOwner(owner)) {
    if (!wanted.has(slot)) differences.push({ key: slot.key, before, after: undefined, slot });
  }
  for (const [slot, after] of wanted) {
    const before = slot.of(owner)?.resource;
    if (before === undefined || !sameResource(before, after)) differences.push({ key: slot.key, before, after, slot });
  }
  return { step: { owner, differences }, keyCount: wanted.size };
}

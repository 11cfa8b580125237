// What owners want, as the rib and the fib have it, and how it stands.
import type { Resource, Warning } from '../../model/resource.js';
import type { Fib } from '../fib/fib.js';
import { type OwnedResource, type Step, Rib, planReplace, wishesOf } from '../rib/rib.js';
import { Held, type Slot } from '../rib/slot.js';
import type { EntryView } from './types.js';

export class OwnedWishes {
  readonly rib = new Rib();
  readonly #fib: Fib;

  constructor(fib: Fib) {
    this.#fib = fib;
  }

  /** Takes what is saved already. */
  restore(wishes: Iterable<OwnedResource>): void {
    for (const [owner, own] of byOwner(wishes)) this.commit(planReplace(this.rib, owner, own).step, new Set());
  }

  /** All resources of all owners. */
  *resources(): Iterable<OwnedResource> {
    for (const { held } of this.rib.slots()) for (const { owner, resource } of held) yield { owner, resource };
  }

  /** The entries under a key: several if owners differ on its content. */
  entries(slot: Slot): readonly EntryView[] {
    const [first] = slot.held;
    if (first === undefined) return [];
    if (slot.held.length === 1) return [this.#view(first)];
    return wishesOf(slot).map((wish) => ({ ...wish, status: this.#fib.status(wish.held[0] ?? first) }));
  }

  /** What an owner wants under a key, with what others want just so. */
  entryOf(slot: Slot, owner: string): EntryView | undefined {
    return this.entries(slot).find((entry) => entry.owners.includes(owner));
  }

  /** Whether the owner's entry, if there is one, is anything but programmed and without warnings. */
  isNotable(slot: Slot, owner: string): boolean {
    const held = slot.of(owner);
    if (held === undefined) return false;
    const { state, warnings } = this.#fib.status(held);
    return state !== 'programmed' || warnings.length > 0;
  }

  /**
   * Takes a step.
   *
   * @param changed the keys are added to it
   * @returns what the owner wants of it.
   */
  commit(step: Step, changed: Set<Slot>): Held[] {
    const wanted: Held[] = [];
    this.rib.commit(step, (held, after) => {
      changed.add(held.slot);
      this.#fib.setWish(held, after);
      if (after !== undefined) wanted.push(held);
    });
    return wanted;
  }

  /**
   * Looks at the warnings that a step would bring. Only the fib sees it, and forgets it again: a turn is due.
   *
   * @param onNewInterfaces reads the settings of interfaces if some have come into use
   */
  try({ owner, differences }: Step, onNewInterfaces: () => void): ReadonlyMap<Slot, readonly Warning[]> {
    const wanted: Held[] = [];
    const undo: (() => void)[] = [];
    for (const { key, before, after, slot = this.rib.slot(key) } of differences) {
      const held = slot.of(owner) ?? (after && new Held(slot, owner, after));
      if (held === undefined) continue;
      this.#fib.setWish(held, after);
      if (after !== undefined) wanted.push(held);
      undo.push(() => {
        this.#fib.setWish(held, before);
      });
    }
    // Warnings depend on what other rules ask for, and on the settings of interfaces that come into use.
    if (this.#fib.compile()) onNewInterfaces();
    const warnings = this.warningsOf(wanted);
    for (const each of undo) each();
    return warnings;
  }

  /** The warnings of wishes, by key; of those that have some. */
  warningsOf(wanted: readonly Held[]): Map<Slot, readonly Warning[]> {
    const all = new Map<Slot, readonly Warning[]>();
    for (const held of wanted) {
      const { warnings } = this.#fib.status(held);
      if (warnings.length > 0) all.set(held.slot, warnings);
    }
    return all;
  }

  #view(held: Held): EntryView {
    return { resource: held.resource, owners: [held.owner], held: [held], status: this.#fib.status(held) };
  }
}

function byOwner(wishes: Iterable<OwnedResource>): ReadonlyMap<string, readonly Resource[]> {
  const resources = new Map<string, Resource[]>();
  for (const { owner, resource } of wishes) {
    const own = resources.get(owner);
    if (own === undefined) resources.set(owner, [resource]);
    else own.push(resource);
  }
  return resources;
}

// From what is to be undone to a step.
import type { Resource, ResourceKey } from '../../model/resource.js';
import { type Difference, type Rib, type Step, effectOf } from './rib.js';
import type { Slot } from './slot.js';

/** What an owner had under some keys before a change. */
export interface Undo {
  readonly puts: readonly Resource[];
  /** Keys under which it had nothing. */
  readonly deletes: readonly ResourceKey[];
}

/**
 * The step that takes changes of an owner back.
 *
 * @param undos of the changes, the newest first, none left out: of a key that several have, the oldest says what it was
 */
export function planRestore(rib: Rib, owner: string, undos: Iterable<Undo>): Step {
  const wanted = new Map<Slot, Resource | undefined>();
  for (const { puts, deletes } of undos) {
    for (const resource of puts) wanted.set(rib.slot(resource.key), resource);
    for (const key of deletes) wanted.set(rib.slot(key), undefined);
  }
  const differences: Difference[] = [];
  for (const [slot, after] of wanted) {
    const before = slot.of(owner)?.resource;
    if (effectOf(before, after) === 'unchanged') rib.forget(slot);
    else differences.push({ key: slot.key, before, after, slot });
  }
  return { owner, differences };
}

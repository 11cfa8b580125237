// From changes to a step: all of them are checked, and their effects known, before anything changes.
import type { Change, Effect } from '../../model/change.js';
import { OIFS_PER_MROUTE_MAX } from '../../model/limits.js';
import type { Mroute, Oif } from '../../model/mroute.js';
import { type Resource, type ResourceKey, formatResourceKey } from '../../model/resource.js';
import { type Difference, type Rib, RibFullError, type Step, effectOf } from './rib.js';
import type { Slot, Staged } from './slot.js';

/** A change that the owner's resources do not allow. */
export class ChangeError extends Error {
  readonly code: 'NOT_FOUND' | 'TOO_MANY_OIFS';
  /** Which of the changes. */
  readonly index: number;

  constructor(code: 'NOT_FOUND' | 'TOO_MANY_OIFS', index: number, message: string) {
    super(message);
    this.code = code;
    this.index = index;
  }
}

/** The effect of a change on what the changes before it made. */
export interface PlannedChange {
  readonly slot: Slot;
  readonly effect: Effect;
}

/** A step and what each change has to do with it. */
export interface PlannedChanges {
  readonly step: Step;
  /** Of each change, in order. */
  readonly results: readonly PlannedChange[];
}

/** The same of changes each of which stands for itself: one that is refused has an error and no part in the step. */
export interface PlannedEach<Refusal> {
  readonly step: Step;
  /** Of each change, in order; undefined where there was none. */
  readonly results: readonly (PlannedChange | { readonly error: ChangeError | RibFullError | Refusal } | undefined)[];
}

/**
 * Plans changes of an owner; several of one key take effect in order.
 *
 * @throws ChangeError if one is not possible.
 */
export function planChanges(rib: Rib, owner: string, changes: readonly Change[]): PlannedChanges {
  const staged: Staged[] = [];
  const results: PlannedChange[] = [];
  try {
    for (let index = 0; index < changes.length; index++) {
      const change = changes[index];
      if (change === undefined) continue;
      const stage = stageOf(rib, owner, keyOf(change), staged);
      const before = stage.after;
      stage.after = applyChange(before, change, owner, index);
      results.push({ slot: stage.slot, effect: effectOf(before, stage.after) });
    }
  } catch (error) {
    for (const { slot } of staged) rib.forget(slot);
    throw error;
  } finally {
    for (const { slot } of staged) slot.staged = undefined;
  }
  return { step: { owner, differences: differencesOf(rib, staged) }, results };
}

/**
 * Plans changes of an owner, each for itself: those that are not possible are refused, and the others take effect in order.
 *
 * @param changes with gaps where one was refused before
 * @param refuse says why a change may not be made of what was before it, `grown` being by how many resources the owner has
 *   more after all changes until then; undefined if it may.
 */
export function planEach<Refusal>(
  rib: Rib,
  owner: string,
  changes: readonly (Change | undefined)[],
  refuse: (before: Resource | undefined, after: Resource | undefined, grown: number) => Refusal | undefined,
): PlannedEach<Refusal> {
  const staged: Staged[] = [];
  let grown = 0;
  const results = changes.map((change, index): PlannedEach<Refusal>['results'][number] => {
    if (change === undefined) return undefined;
    const stage = stageOf(rib, owner, keyOf(change), staged);
    const { slot, after: before } = stage;
    try {
      const after = applyChange(before, change, owner, index);
      const growth = Number(after !== undefined) - Number(before !== undefined);
      if (growth > 0) rib.checkGrowth(grown + growth);
      const error = refuse(before, after, grown + growth);
      if (error !== undefined) return { error };
      grown += growth;
      stage.after = after;
      return { slot, effect: effectOf(before, after) };
    } catch (error) {
      if (error instanceof ChangeError || error instanceof RibFullError) return { error };
      throw error;
    }
  });
  for (const { slot } of staged) slot.staged = undefined;
  return { step: { owner, differences: differencesOf(rib, staged) }, results };
}

/** What the changes so far have made of a key. */
function stageOf(rib: Rib, owner: string, key: ResourceKey, staged: Staged[]): Staged {
  const slot = rib.slot(key);
  if (slot.staged !== undefined) return slot.staged;
  const before = slot.of(owner)?.resource;
  const stage = { slot, key, before, after: before };
  slot.staged = stage;
  staged.push(stage);
  return stage;
}

/** Changes of one key that take each other back make no difference. */
function differencesOf(rib: Rib, staged: readonly Staged[]): Difference[] {
  return staged.filter(({ slot, before, after }) => {
    if (effectOf(before, after) !== 'unchanged') return true;
    rib.forget(slot);
    return false;
  });
}

function keyOf(change: Change): ResourceKey {
  switch (change.action) {
    case 'put':
      return change.resource.key;
    case 'delete':
      return change.key;
    case 'add-oifs':
    case 'remove-oifs':
      return change.mroute.key;
  }
}

function applyChange(before: Resource | undefined, change: Change, owner: string, index: number): Resource | undefined {
  switch (change.action) {
    case 'put':
      return change.resource;
    case 'delete':
      if (change.mustExist && before === undefined) throw notFound(change.key, owner, index);
      return undefined;
    case 'add-oifs':
      return before === undefined ? change.mroute : addOifs(asMroute(before), change.mroute.oifs, index);
    case 'remove-oifs':
      if (before === undefined) throw notFound(change.mroute.key, owner, index);
      return removeOifs(asMroute(before), change.mroute.oifs, owner, index);
  }
}

function addOifs(mroute: Mroute, added: readonly Oif[], index: number): Mroute {
  const oifs = new Map(mroute.oifs.map((oif) => [oif.interface, oif]));
  for (const oif of added) oifs.set(oif.interface, oif);
  if (oifs.size > OIFS_PER_MROUTE_MAX) {
    throw new ChangeError(
      'TOO_MANY_OIFS',
      index,
      `the rule would have ${oifs.size} oifs; at most ${OIFS_PER_MROUTE_MAX} are allowed: use a wildcard such as 'eth+'`,
    );
  }
  return { ...mroute, oifs: [...oifs.values()].sort((a, b) => (a.interface < b.interface ? -1 : 1)) };
}

function removeOifs(mroute: Mroute, removed: readonly Oif[], owner: string, index: number): Mroute {
  const names = new Set(removed.map((oif) => oif.interface));
  for (const name of names) {
    if (!mroute.oifs.some((oif) => oif.interface === name)) {
      const key = formatResourceKey(mroute.key);
      throw new ChangeError('NOT_FOUND', index, `'${name}' is not among the oifs of ${key} of owner '${owner}'`);
    }
  }
  return { ...mroute, oifs: mroute.oifs.filter((oif) => !names.has(oif.interface)) };
}

function asMroute(resource: Resource): Mroute {
  if (!('oifs' in resource)) throw new Error(`not an mroute: ${formatResourceKey(resource.key)}`);
  return resource;
}

function notFound(key: ResourceKey, owner: string, index: number): ChangeError {
  return new ChangeError('NOT_FOUND', index, `owner '${owner}' has no ${formatResourceKey(key)}; see 'mcctl show'`);
}

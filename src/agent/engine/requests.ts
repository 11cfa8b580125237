// Takes what owners ask for: a request becomes a step, which is checked, told to the journal and then taken, all of it or
// nothing.
import type { Change, Effect } from '../../model/change.js';
import type { Resource, Warning } from '../../model/resource.js';
import { planChanges, planEach } from '../rib/apply.js';
import { type Undo, planRestore } from '../rib/restore.js';
import { type Step, effectOf, planReplace } from '../rib/rib.js';
import type { Slot } from '../rib/slot.js';
import type { OwnedWishes } from './owned-wishes.js';
import { changeRefusal, checkOwner, checkScope } from './scope-check.js';
import {
  type ApplyEachResult,
  type ApplyOptions,
  type ApplyResult,
  type ChangeOutcome,
  EngineError,
  type ReplaceResult,
  type StepNote,
  type WishJournal,
} from './types.js';

/** What requests need of the engine. */
export interface RequestsOptions {
  readonly wishes: OwnedWishes;
  readonly journal: WishJournal | undefined;
  /** That of the table now. */
  readonly revision: () => bigint;
  /** Reads the settings of interfaces that have come into use. */
  readonly readSettings: () => void;
  /** Brings the kernel to what is wanted; `changed` are keys whose wishes have changed. */
  readonly turn: (changed?: Set<Slot>) => void;
}

/** The methods are those of Engine, with the same errors. */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #wishes: OwnedWishes;

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.#wishes = options.wishes;
  }

  apply(owner: string, changes: readonly Change[], options: ApplyOptions): ApplyResult {
    this.#check(owner, options);
    const { step, results } = planChanges(this.#wishes.rib, owner, changes);
    const effects = noEffects();
    for (const { effect } of results) effects[effect]++;
    const { origin = APPLIED } = options;
    const warnings = this.#take(step, { origin, effects }, options);
    const outcomes: ChangeOutcome[] = [];
    let index = -1;
    for (const { slot, effect } of results) {
      index++;
      const isDone = !options.validateOnly;
      if (options.results === 'notable' && !warnings.has(slot) && !(isDone && this.#wishes.isNotable(slot, owner)))
        continue;
      const entry = isDone ? this.#wishes.entryOf(slot, owner) : undefined;
      outcomes.push({ index, effect, warnings: warnings.get(slot) ?? [], entry });
    }
    return { revision: this.#options.revision(), step, effects, results: outcomes };
  }

  applyEach(
    owner: string,
    changes: readonly (Change | undefined)[],
    { scope, origin = MODIFIED }: Pick<ApplyOptions, 'scope' | 'origin'>,
  ): ApplyEachResult {
    checkOwner(scope, owner);
    const { rib } = this.#wishes;
    const had = rib.countOf(owner);
    const { step, results } = planEach(rib, owner, changes, (before, after, grown) =>
      changeRefusal(scope, owner, { before, after, count: had + grown }),
    );
    const effects = noEffects();
    for (const result of results) if (result !== undefined && 'effect' in result) effects[result.effect]++;
    const warnings = this.#take(step, { origin, effects }, EACH);
    return { revision: this.#options.revision(), results, effects, warnings };
  }

  replace(owner: string, resources: readonly Resource[], options: ApplyOptions): ReplaceResult {
    this.#check(owner, options);
    const { step, keyCount } = planReplace(this.#wishes.rib, owner, resources);
    const effects = effectsOf(step);
    effects.unchanged = keyCount - effects.added - effects.changed;
    return this.#takeWhole(step, { origin: options.origin ?? REPLACED, effects }, options);
  }

  restore(owner: string, undos: Iterable<Undo>, options: ApplyOptions): ReplaceResult {
    this.#check(owner, options);
    const step = planRestore(this.#wishes.rib, owner, undos);
    return this.#takeWhole(step, { origin: options.origin ?? RESTORED, effects: effectsOf(step) }, options);
  }

  #check(owner: string, { scope, expectedRevision: expected }: ApplyOptions): void {
    checkOwner(scope, owner);
    const revision = this.#options.revision();
    if (expected === undefined || expected === revision) return;
    throw new EngineError(
      'REVISION_MISMATCH',
      `the table is at revision ${revision.toString()}, not ${expected.toString()}: read it again and decide anew`,
    );
  }

  #takeWhole(step: Step, note: StepNote, options: ApplyOptions): ReplaceResult {
    const warnings = [...this.#take(step, note, options).values()].flat();
    return { revision: this.#options.revision(), step, effects: note.effects, warnings };
  }

  /**
   * Gives a step to the rib and the fib and, unless it was only to be looked at, to the kernel.
   *
   * @returns the warnings of what it adds or changes, by key.
   */
  #take(step: Step, note: StepNote, options: ApplyOptions): ReadonlyMap<Slot, readonly Warning[]> {
    const { rib } = this.#wishes;
    const { journal, revision, readSettings, turn } = this.#options;
    if (step.differences.length === 0) return new Map();
    try {
      checkScope(options.scope, step, rib);
      rib.check(step);
      if (options.strict || options.validateOnly) {
        const warnings = this.#wishes.try(step, readSettings);
        // What was looked at is planned anew; it is as it was, so the kernel is not touched.
        turn();
        if (options.strict && warnings.size > 0) throw new EngineError('WARNINGS', describeWarnings(warnings));
        if (options.validateOnly) {
          rib.drop(step);
          return warnings;
        }
      }
      journal?.append(step, revision() + 1n, note);
    } catch (error) {
      rib.drop(step);
      throw error;
    }
    const changed = new Set<Slot>();
    const wanted = this.#wishes.commit(step, changed);
    turn(changed);
    return this.#wishes.warningsOf(wanted);
  }
}

const APPLIED = { method: 'Apply' };
const REPLACED = { method: 'Replace' };
const RESTORED = { method: 'Rollback' };
const MODIFIED = { method: 'Modify' };

/** What changes that stand for themselves may ask for; the scope was asked of each. */
const EACH: ApplyOptions = { validateOnly: false, strict: false, expectedRevision: undefined };

/** The effects of a step whose differences are its changes. */
function effectsOf({ differences }: Step): Record<Effect, number> {
  const effects = noEffects();
  for (const { before, after } of differences) effects[effectOf(before, after)]++;
  return effects;
}

function noEffects(): Record<Effect, number> {
  return { unchanged: 0, added: 0, changed: 0, removed: 0 };
}

function describeWarnings(warnings: ReadonlyMap<Slot, readonly Warning[]>): string {
  const all = [...warnings].flatMap(([{ text }, some]) => some.map((each) => `${text}: ${each.code}: ${each.text}`));
  const rest = all.length > 3 ? ` (and ${all.length - 3} more)` : '';
  return `refused because of warnings and 'strict': ${all.slice(0, 3).join('; ')}${rest}`;
}

// Changes that can be taken back: each step is remembered before it is taken, those that nobody confirms in time are taken
// back, and those that somebody wants back.
//
// What waits for confirmation is here what it is on the disk, at any moment; the owner's other changes are refused
// meanwhile. So a failure in the middle leaves something that is rolled back to what it was before.
import { UNCONFIRMED_OWNERS_MAX } from '../../model/limits.js';
import type { ApplyOptions, ChangeOrigin, Engine, StepNote, WishJournal } from '../engine.js';
import type { Step } from '../rib/rib.js';
import { StorageError } from '../store/storage-error.js';
import type { ChangeHistory } from './change-history.js';
import type { Confirmations, Unconfirmed } from './confirmations.js';
import { HistoryLostError, type HistoryNote } from './entry.js';

/** Time until a roll-back that the disk refused is tried again, in ms. */
const RETRY_MS = 5_000;

/** Where steps go on to. */
export interface LastingJournal extends WishJournal {
  /** As `DurableWishes.settled`. */
  settled(): Promise<void>;
}

export interface SafeChangesOptions {
  readonly history: ChangeHistory;
  readonly confirmations: Confirmations;
  /** Undefined: wishes end with the agent. */
  readonly journal: LastingJournal | undefined;
  readonly onNote: (note: HistoryNote) => void;
  /** ms after 1970. */
  readonly now?: () => number;
}

/** A change of the owner waits for confirmation, or those of too many owners do. */
export class UnconfirmedError extends Error {
  readonly code: 'UNCONFIRMED' | 'UNCONFIRMED_OWNERS';

  constructor(code: UnconfirmedError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** What is asked of the engine. */
export type RestoringEngine = Pick<Engine, 'restore' | 'revision'>;

/** What a roll-back has done. */
export interface RollbackResult extends ReturnType<Engine['restore']> {
  readonly restoredRevision: bigint;
}

export class SafeChanges implements WishJournal {
  readonly history: ChangeHistory;
  readonly #confirmations: Confirmations;
  readonly #journal: LastingJournal | undefined;
  readonly #onNote: (note: HistoryNote) => void;
  readonly #now: () => number;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  /** Owners whose roll-back is under way: it is too late to confirm. */
  readonly #expiring = new Set<string>();
  /** Of steps that changed what waits for confirmation: what it was before. */
  readonly #before = new WeakMap<Step, { readonly unconfirmed: Unconfirmed | undefined }>();
  #engine: RestoringEngine | undefined;
  #isClosed = false;

  constructor({ history, confirmations, journal, onNote, now = Date.now }: SafeChangesOptions) {
    this.history = history;
    this.#confirmations = confirmations;
    this.#journal = journal;
    this.#onNote = onNote;
    this.#now = now;
  }

  /** What waits for confirmation of an owner. */
  unconfirmed(owner: string): Unconfirmed | undefined {
    return this.#confirmations.of(owner);
  }

  /**
   * To be called with the engine whose steps come here when it has the saved wishes. Resolves when what was not confirmed in
   * time, while no agent was there, has been taken back.
   */
  async start(engine: RestoringEngine): Promise<void> {
    this.#engine = engine;
    for (const { owner, base, deadlineMs, withinMs } of [...this.#confirmations.all()]) {
      const isThere = (this.history.last(owner)?.revision ?? 0n) > base;
      // A clock that went back gives no more time than was asked for; what never came to be is nothing to wait for.
      const restMs = isThere ? Math.min(deadlineMs - this.#now(), withinMs) : 0;
      if (restMs <= 0) await this.#expire(owner);
      else this.#schedule(owner, restMs);
    }
  }

  append(step: Step, revision: bigint, note: StepNote): void {
    const { owner } = step;
    const { confirmWithinMs } = note.origin;
    const before = this.#confirmations.of(owner);
    const after = this.#unconfirmedBy(owner, revision, note.origin, before);
    // What goes back over a step that waits must last too: this one, and whatever comes until it is confirmed.
    this.history.add(step, revision, note, after !== undefined);
    try {
      // Before the journal: what lasts must be known to wait for confirmation.
      if (after !== undefined && after !== before) this.#confirmations.set(after);
      this.#journal?.append(step, revision, note);
    } catch (error) {
      this.history.withdraw(step);
      if (this.#confirmations.of(owner) !== before) this.#resetUnconfirmed(owner, before);
      throw error;
    }
    if (after !== before) this.#before.set(step, { unconfirmed: before });
    if (confirmWithinMs !== undefined) this.#schedule(owner, confirmWithinMs);
  }

  /** As `DurableWishes.settled`. */
  async settled(): Promise<void> {
    await this.#journal?.settled();
  }

  /** The engine has taken steps back that could not be made to last; the oldest first. */
  takenBack(steps: readonly Step[]): void {
    for (const step of steps.toReversed()) {
      this.history.withdraw(step);
      const before = this.#before.get(step);
      if (before !== undefined) this.#resetUnconfirmed(step.owner, before.unconfirmed);
    }
  }

  /**
   * Keeps what waits for confirmation, if all of it has settled. Returns its last revision; undefined if nothing waits.
   *
   * @throws StorageError; it waits as before then.
   */
  confirm(owner: string): bigint | undefined {
    const unconfirmed = this.#confirmations.of(owner);
    if (unconfirmed === undefined || this.#expiring.has(owner)) return undefined;
    this.#confirmations.remove(owner);
    this.#unschedule(owner);
    return unconfirmed.revision;
  }

  /**
   * Makes an owner's resources what they were at a revision; 0n: before what waits for confirmation, or else before the
   * last change. Resolves when that lasts. Nothing waits any more then if it was taken back whole.
   *
   * @throws HistoryLostError, StorageError, and what `Engine.restore` throws; nothing has changed then.
   */
  async rollback(
    owner: string,
    toRevision: bigint,
    options: ApplyOptions & { readonly origin: ChangeOrigin },
  ): Promise<RollbackResult> {
    const unconfirmed = this.#confirmations.of(owner);
    const target = toRevision === 0n ? (unconfirmed?.base ?? this.#beforeLast(owner)) : toRevision;
    const undos = this.history.undosAfter(owner, target);
    const origin = { ...options.origin, restoredRevision: target };
    const result = this.#engineOrBug().restore(owner, undos, { ...options, origin });
    const isWhole = unconfirmed !== undefined && target <= unconfirmed.base;
    const rolledBack = isWhole && !options.validateOnly ? this.#confirmations.of(owner) : undefined;
    await this.settled();
    // Another change may have joined it meanwhile, which has its own time.
    if (origin.confirmWithinMs === undefined && this.#isStill(owner, rolledBack))
      this.#resetUnconfirmed(owner, undefined);
    return { ...result, restoredRevision: target };
  }

  close(): void {
    this.#isClosed = true;
    for (const owner of [...this.#timers.keys()]) this.#unschedule(owner);
  }

  #beforeLast(owner: string): bigint {
    const last = this.history.last(owner);
    if (last !== undefined) return last.after > 0n ? last.after : last.revision - 1n;
    const { revision } = this.#engineOrBug();
    throw new HistoryLostError(revision, `no change of '${owner}' is known that could be taken back`);
  }

  /** What waits for confirmation when the step is taken. @throws UnconfirmedError */
  #unconfirmedBy(
    owner: string,
    revision: bigint,
    { confirmWithinMs: withinMs, restoredRevision, isAutomatic = false }: ChangeOrigin,
    before: Unconfirmed | undefined,
  ): Unconfirmed | undefined {
    if (withinMs !== undefined) {
      if (before === undefined && this.#confirmations.count >= UNCONFIRMED_OWNERS_MAX) {
        const text = `changes of ${UNCONFIRMED_OWNERS_MAX} owners wait for confirmation, which is the limit: confirm some first`;
        throw new UnconfirmedError('UNCONFIRMED_OWNERS', text);
      }
      return { owner, base: before?.base ?? revision - 1n, revision, deadlineMs: this.#now() + withinMs, withinMs };
    }
    if (before === undefined || isAutomatic || restoredRevision === before.base) return before;
    if (restoredRevision !== undefined && restoredRevision < before.base) {
      // If the agent ends in the middle, the next one goes back to there, and not to what was taken back as well.
      return { ...before, base: restoredRevision };
    }
    throw new UnconfirmedError(
      'UNCONFIRMED',
      `a change of '${owner}' is rolled back at ${new Date(before.deadlineMs).toISOString()} unless it is confirmed: ` +
        'confirm it, roll it back, or give this one a time as well',
    );
  }

  /** What waits for confirmation is as it was before a step that is no more. */
  #resetUnconfirmed(owner: string, unconfirmed: Unconfirmed | undefined): void {
    try {
      if (unconfirmed === undefined) this.#confirmations.remove(owner);
      else this.#confirmations.set(unconfirmed);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      const { path, errno, message } = error;
      const note = 'that nothing waits for confirmation could not be saved';
      this.#onNote({ note, level: 'error', owner, path, errno, text: message });
      // There is nothing to roll back by now, and then it is tried again.
      if (unconfirmed === undefined) this.#schedule(owner, RETRY_MS);
      return;
    }
    if (unconfirmed === undefined) this.#unschedule(owner);
    else this.#schedule(owner, Math.max(0, unconfirmed.deadlineMs - this.#now()));
  }

  /** Takes back what nobody has confirmed. */
  async #expire(owner: string): Promise<void> {
    this.#unschedule(owner);
    const unconfirmed = this.#confirmations.of(owner);
    if (unconfirmed === undefined || this.#expiring.has(owner)) return;
    this.#expiring.add(owner);
    try {
      await this.#rollBack(unconfirmed);
    } catch (error) {
      if (!isExpected(error)) throw error;
      const note = 'an unconfirmed change could not be rolled back';
      this.#onNote({ note, level: 'error', owner, errno: error.code, text: error.message });
      this.#schedule(owner, RETRY_MS);
    } finally {
      this.#expiring.delete(owner);
    }
  }

  async #rollBack(unconfirmed: Unconfirmed): Promise<void> {
    const { owner, base } = unconfirmed;
    const undos = this.history.undosAfter(owner, base);
    const origin = { method: 'Expire', restoredRevision: base, isAutomatic: true };
    const { step } = this.#engineOrBug().restore(owner, undos, { ...PLAIN, origin });
    await this.settled();
    if (step.differences.length > 0) {
      const note = 'an unconfirmed change was rolled back';
      this.#onNote({ note, level: 'warn', owner, revision: base.toString() });
    }
    if (this.#isStill(owner, unconfirmed)) this.#confirmations.remove(owner);
  }

  /** Whether just that waits for confirmation, and not also a change that came since. */
  #isStill(owner: string, unconfirmed: Unconfirmed | undefined): boolean {
    return unconfirmed !== undefined && this.#confirmations.of(owner) === unconfirmed;
  }

  #schedule(owner: string, ms: number): void {
    this.#unschedule(owner);
    if (this.#isClosed) return;
    const timer = setTimeout(() => {
      // What it does not catch is a bug, and ends the process.
      void this.#expire(owner);
    }, ms);
    this.#timers.set(owner, timer);
  }

  #unschedule(owner: string): void {
    clearTimeout(this.#timers.get(owner));
    this.#timers.delete(owner);
  }

  #engineOrBug(): RestoringEngine {
    if (this.#engine === undefined) throw new Error('bug: nothing can be rolled back before the start');
    return this.#engine;
  }
}

const PLAIN = { validateOnly: false, strict: false, expectedRevision: undefined };

/** What the state of the table or the disk refuses. */
function isExpected(error: unknown): error is Error & { readonly code: string } {
  if (error instanceof StorageError || error instanceof HistoryLostError) return true;
  return error instanceof Error && 'code' in error && error.code === 'RIB_FULL';
}

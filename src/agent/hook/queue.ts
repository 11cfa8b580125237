// Which runs of the hook wait, and which are dropped. Pure.
import { type Address, addressKey } from '../../model/address.js';

/** What the command is told. */
export type HookRun =
  /** The configuration was loaded. */
  | { readonly what: 'reload' }
  /** An (S,G) entry was made for a flow that a (*,G) or prefix rule matches. */
  | { readonly what: 'install'; readonly source: Address; readonly group: Address };

/** What became of a run that was asked for; `coalesced`: the same one waits already, and stands for both. */
export type Admission = 'waits' | 'coalesced' | 'dropped';

/**
 * Runs in the order in which they were asked for, each once. Installs beyond the limit are dropped and counted; a reload
 * never is, since at most one waits.
 */
export class HookQueue {
  readonly #installsMax: number;
  /** In order. */
  readonly #waiting = new Map<string, HookRun>();
  #dropped = 0;

  /** @param installsMax installs that wait at most */
  constructor(installsMax: number) {
    this.#installsMax = installsMax;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(run: HookRun): Admission {
    const key = keyOf(run);
    // It keeps its place: it begins after all that it stands for has happened.
    if (this.#waiting.has(key)) return 'coalesced';
    if (run.what === 'install' && this.#installs() >= this.#installsMax) {
      this.#dropped++;
      return 'dropped';
    }
    this.#waiting.set(key, run);
    return 'waits';
  }

  /** The run that has waited longest; undefined if none waits. It waits no longer. */
  take(): HookRun | undefined {
    for (const [key, run] of this.#waiting) {
      this.#waiting.delete(key);
      return run;
    }
    return undefined;
  }

  /** How many were dropped since last asked. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Forgets all that waits; how many there were. */
  clear(): number {
    const { size } = this.#waiting;
    this.#waiting.clear();
    return size;
  }

  #installs(): number {
    return this.#waiting.size - (this.#waiting.has(RELOAD) ? 1 : 0);
  }
}

const RELOAD = 'reload';

function keyOf(run: HookRun): string {
  if (run.what === 'reload') return RELOAD;
  return `${run.group.family} ${addressKey(run.source)} ${addressKey(run.group)}`;
}

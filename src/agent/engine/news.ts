// Counts what has changed in a table, of wishes and of what became of them, and tells who listens.
import type { Fib } from '../fib/fib.js';
import { WarningNews } from '../fib/warning-news.js';
import { type ChangedKeys, History } from '../rib/history.js';
import { Held, type Slot } from '../rib/slot.js';
import type { EngineNote } from './types.js';

export class TableNews {
  readonly #warnings = new WarningNews();
  readonly #history: History;
  #revision: bigint;
  readonly #listeners: ((revision: bigint, keys: ChangedKeys) => void)[] = [];

  constructor(firstRevision: bigint) {
    this.#revision = firstRevision;
    this.#history = new History(firstRevision);
  }

  get revision(): bigint {
    return this.#revision;
  }

  /** Called after each change with the keys that changed, of wishes or of their states. */
  onChange(listener: (revision: bigint, keys: ChangedKeys) => void): void {
    this.#listeners.push(listener);
  }

  /** The keys that changed after a revision; undefined if that is no longer known. */
  changedAfter(revision: bigint): ChangedKeys | undefined {
    return revision > this.#revision ? undefined : this.#history.after(revision);
  }

  /**
   * Adds the keys whose states have changed and tells of all.
   *
   * @param changed keys whose wishes have changed.
   */
  publish(changed: Set<Slot>, fib: Fib, note: (note: EngineNote) => void): void {
    for (const id of fib.takeChangedStatuses()) {
      // The agent's own joins are nobody's wish.
      if (!(id instanceof Held)) continue;
      changed.add(id.slot);
      const { warnings } = fib.status(id);
      for (const warning of this.#warnings.take(id.slot, warnings))
        note({ note: 'warning', key: id.slot.text, warning });
    }
    if (changed.size === 0) return;
    this.#revision++;
    this.#history.add(this.#revision, changed);
    for (const listener of this.#listeners) listener(this.#revision, changed);
  }
}

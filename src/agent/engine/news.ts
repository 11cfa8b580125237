// Counts what has changed in a table, of wishes and of what became of them, and tells who listens.
import type { ResourceKey } from '../../model/resource.js';
import type { Fib } from '../fib/fib.js';
import { StatusNews, WarningNews } from '../fib/status-news.js';
import { type ChangedKeys, History } from '../rib/history.js';
import type { Rib } from '../rib/rib.js';
import { keyOfWishId } from '../rib/wish-id.js';
import type { EngineNote } from './types.js';

export class TableNews {
  readonly #statuses = new StatusNews();
  readonly #warnings = new WarningNews();
  readonly #history: History;
  #revision: bigint;
  #onChange: (revision: bigint, keys: ChangedKeys) => void = () => undefined;

  constructor(firstRevision: bigint) {
    this.#revision = firstRevision;
    this.#history = new History(firstRevision);
  }

  get revision(): bigint {
    return this.#revision;
  }

  /** Called after each change with the keys that changed, of wishes or of their states. */
  onChange(listener: (revision: bigint, keys: ChangedKeys) => void): void {
    this.#onChange = listener;
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
  publish(changed: Map<string, ResourceKey>, rib: Rib, fib: Fib, note: (note: EngineNote) => void): void {
    for (const id of fib.takeChangedStatuses()) {
      const text = keyOfWishId(id);
      const [wish] = rib.wishes(text);
      if (wish === undefined) {
        this.#statuses.forget(id);
        continue;
      }
      const status = fib.status(id);
      if (!this.#statuses.isNews(id, status)) continue;
      changed.set(text, wish.resource.key);
      for (const warning of this.#warnings.take(text, status.warnings)) note({ note: 'warning', key: text, warning });
    }
    if (changed.size === 0) return;
    this.#revision++;
    this.#history.add(this.#revision, changed);
    this.#onChange(this.#revision, changed);
  }
}

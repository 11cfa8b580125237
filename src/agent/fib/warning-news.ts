// Which warnings are new: statuses are told again when something else of them has changed.
import type { Warning } from '../../model/resource.js';

/** Remembers which warnings were told of each wish, so that each is told once as long as it holds. */
export class WarningNews {
  readonly #told = new WeakMap<object, ReadonlySet<string>>();

  /** Those of the warnings that are new for the wish. */
  take(wish: object, warnings: readonly Warning[]): readonly Warning[] {
    const told = this.#told.get(wish);
    if (warnings.length === 0) {
      if (told !== undefined) this.#told.delete(wish);
      return warnings;
    }
    this.#told.set(wish, new Set([...(told ?? []), ...warnings.map(({ code }) => code)]));
    return warnings.filter(({ code }) => told?.has(code) !== true);
  }
}

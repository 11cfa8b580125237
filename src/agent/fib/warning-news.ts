// Which warnings are new: statuses are told again when something else of them has changed.
import type { Warning } from '../../model/resource.js';

/** Keys of which is remembered what was told; of older ones it is told again. */
const TOLD_MAX = 4_096;

/** Remembers which warnings were told of each key, so that each is told once as long as it holds. */
export class WarningNews {
  /** By formatted key, also of wishes that went: a controller may put and remove one again and again. */
  readonly #told = new Map<string, ReadonlySet<string>>();

  /** Those of the warnings of a wish that are new for its key. */
  take(key: { readonly text: string }, warnings: readonly Warning[]): readonly Warning[] {
    if (warnings.length === 0 && this.#told.size === 0) return warnings;
    const { text } = key;
    const told = this.#told.get(text);
    this.#told.delete(text);
    if (warnings.length === 0) return warnings;
    this.#told.set(text, new Set([...(told ?? []), ...warnings.map(({ code }) => code)]));
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= TOLD_MAX) break;
      this.#told.delete(oldest);
    }
    return warnings.filter(({ code }) => told?.has(code) !== true);
  }
}

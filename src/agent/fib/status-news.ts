// Which statuses have really changed: much is looked at again that ends as it was.
import type { Status, Warning } from '../../model/resource.js';

/** Remembers what was last told of each wish. */
export class StatusNews {
  readonly #told = new Map<string, string>();

  /** Whether the status is other than when last asked about this wish; it counts as told from now on. */
  isNews(id: string, status: Status): boolean {
    const text = summarize(status);
    if (this.#told.get(id) === text) return false;
    this.#told.set(id, text);
    return true;
  }

  /** The wish is gone. */
  forget(id: string): void {
    this.#told.delete(id);
  }
}

/** Remembers which warnings were told, so that each is told once as long as it holds. */
export class WarningNews {
  readonly #told = new Map<string, ReadonlySet<string>>();

  /** Those of the warnings that are new for the key. */
  take(key: string, warnings: readonly Warning[]): Warning[] {
    const told = this.#told.get(key);
    if (warnings.length === 0) this.#told.delete(key);
    else this.#told.set(key, new Set([...(told ?? []), ...warnings.map(({ code }) => code)]));
    return warnings.filter(({ code }) => told?.has(code) !== true);
  }
}

function summarize({ state, missing, failure, warnings, programming }: Status): string {
  return [
    state,
    missing.map((each) => Object.values(each).join(' ')).join(),
    failure?.text ?? '',
    warnings.map(({ code, text }) => `${code} ${text}`).join(),
    programming === undefined ? '' : `${programming.kind} ${programming.reason}`,
  ].join('|');
}

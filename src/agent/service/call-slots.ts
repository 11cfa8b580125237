// Calls of a kind that are open at once: each holds memory of the agent, and nobody who calls through a gateway is to keep
// the others out.
import { ApiError } from '../../api/status.js';

export interface CallLimits {
  readonly all: number;
  /** Those of one identity that calls through a gateway. */
  readonly perCaller: number;
  /** What there are too many of, such as "watches". */
  readonly what: string;
}

export class CallSlots {
  readonly #limits: CallLimits;
  #taken = 0;
  readonly #takenBy = new Map<string, number>();

  constructor(limits: CallLimits) {
    this.#limits = limits;
  }

  /**
   * Takes a slot; what it returns gives it back, once however often it is called.
   *
   * @param author the identity of the caller; empty for one of this host, who is bounded by all alone
   * @throws ApiError RESOURCE_LIMIT if too many are open.
   */
  take(author: string): () => void {
    const { all, perCaller, what } = this.#limits;
    const takenBy = this.#takenBy.get(author) ?? 0;
    if (this.#taken >= all) throw tooMany(all, what);
    if (author !== '' && takenBy >= perCaller) throw tooMany(perCaller, `${what} of ${author}`);
    this.#taken++;
    this.#takenBy.set(author, takenBy + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#taken--;
      const left = (this.#takenBy.get(author) ?? 0) - 1;
      if (left > 0) this.#takenBy.set(author, left);
      else this.#takenBy.delete(author);
    };
  }

  /** Has a slot while the work is done. */
  async run(author: string, work: () => Promise<void>): Promise<void> {
    const leave = this.take(author);
    try {
      await work();
    } finally {
      leave();
    }
  }
}

function tooMany(limit: number, what: string): ApiError {
  return new ApiError(
    'RESOURCE_LIMIT',
    `${limit} ${what} are open, which is the limit: end one, or try again in a moment`,
  );
}

// Memory for large messages that have not come whole, or that a server has not taken: a bound for all callers together, and
// for each, so that nobody can take it all. Pure.

/** What was asked for when there was no room. */
interface Waiter {
  readonly identity: string;
  readonly bytes: number;
  readonly onRoom: () => void;
}

export class BufferBudget {
  readonly #max: number;
  readonly #maxPerIdentity: number;
  #used = 0;
  readonly #usedBy = new Map<string, number>();
  /** In the order in which they asked. */
  readonly #waiters = new Set<Waiter>();

  /** Both bounds must let the largest message in. */
  constructor(max: number, maxPerIdentity: number) {
    this.#max = max;
    this.#maxPerIdentity = maxPerIdentity;
  }

  /** Takes the bytes, now or when there is room, and then calls back. What is given ends the waiting. */
  take(identity: string, bytes: number, onRoom: () => void): () => void {
    const waiter: Waiter = { identity, bytes, onRoom };
    this.#waiters.add(waiter);
    this.#serve();
    return () => {
      this.#waiters.delete(waiter);
    };
  }

  /** Gives bytes back that were taken. */
  give(identity: string, bytes: number): void {
    this.#used -= bytes;
    const left = (this.#usedBy.get(identity) ?? 0) - bytes;
    if (left > 0) this.#usedBy.set(identity, left);
    else this.#usedBy.delete(identity);
    this.#serve();
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      const { identity, bytes, onRoom } = waiter;
      // Those behind may be of another identity, or smaller; but who waits for all is not overtaken for ever.
      if (this.#used + bytes > this.#max) return;
      const usedBy = (this.#usedBy.get(identity) ?? 0) + bytes;
      if (usedBy > this.#maxPerIdentity) continue;
      this.#waiters.delete(waiter);
      this.#used += bytes;
      this.#usedBy.set(identity, usedBy);
      onRoom();
    }
  }
}

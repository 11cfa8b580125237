// What one identity may use of a gateway: writes a second, and open streams. Pure; the clock is given.

/** What each identity may use; 0 is no limit. */
export interface IdentityLimitSettings {
  /** Writes a second in the long run. */
  readonly writesPerSecond: number;
  /** Writes that may come at once after a time without any. */
  readonly writeBurst: number;
  /** Streams that are open at once. */
  readonly streamsPerIdentity: number;
}

/** Identities that are remembered; of more, those without streams that have waited the longest are forgotten. */
export const IDENTITIES_MAX = 10_000;

/** A bucket of tokens (a write takes one), and the streams. */
interface Use {
  /** As of `at`; no more than the burst. */
  tokens: number;
  /** Time of the clock in ms. */
  at: number;
  streams: number;
}

/** Counts what identities use. */
export class IdentityLimits {
  #settings: IdentityLimitSettings;
  readonly #now: () => number;
  /** By identity, the one that was used last at the end. */
  readonly #uses = new Map<string, Use>();

  /** @param now a clock in ms that never goes back. */
  constructor(settings: IdentityLimitSettings, now: () => number) {
    this.#settings = settings;
    this.#now = now;
  }

  /** Identities that are remembered. */
  get size(): number {
    return this.#uses.size;
  }

  /** Other limits hold from now on; what is in use stays so. */
  change(settings: IdentityLimitSettings): void {
    this.#settings = settings;
  }

  /**
   * Takes the right to write once.
   *
   * @returns 0 if it is taken; otherwise nothing is, and in so many ms it can be.
   */
  takeWrite(identity: string): number {
    const { writesPerSecond } = this.#settings;
    if (writesPerSecond <= 0) return 0;
    const use = this.#useOf(identity);
    if (use.tokens >= 1) {
      use.tokens--;
      return 0;
    }
    return Math.max(1, Math.ceil(((1 - use.tokens) / writesPerSecond) * 1_000));
  }

  /**
   * Counts a stream.
   *
   * @returns what is called when it ends, once or more often; undefined if there are too many, and then it is not counted.
   */
  openStream(identity: string): (() => void) | undefined {
    const { streamsPerIdentity } = this.#settings;
    const use = this.#useOf(identity);
    if (streamsPerIdentity > 0 && use.streams >= streamsPerIdentity) return undefined;
    use.streams++;
    let isOpen = true;
    return () => {
      if (isOpen) use.streams--;
      isOpen = false;
    };
  }

  /** What the identity uses, as of now. */
  #useOf(identity: string): Use {
    const now = this.#now();
    const found = this.#uses.get(identity);
    const use = found ?? { tokens: this.#burst, at: now, streams: 0 };
    use.tokens = this.#tokensOf(use, now);
    use.at = now;
    this.#uses.delete(identity);
    this.#uses.set(identity, use);
    if (this.#uses.size > IDENTITIES_MAX) this.#forget(now);
    return use;
  }

  get #burst(): number {
    return Math.max(1, this.#settings.writeBurst);
  }

  #tokensOf({ tokens, at }: Use, now: number): number {
    return Math.min(this.#burst, tokens + ((now - at) / 1_000) * this.#settings.writesPerSecond);
  }

  /** Makes room for a tenth more, so that this is not done for each new identity. */
  #forget(now: number): void {
    const target = IDENTITIES_MAX * 0.9;
    const newest = this.#uses.size - 1;
    // Nothing is lost with those that are as new ones would be; only if that does not do, the others go.
    for (const isExpendable of [(use: Use) => this.#tokensOf(use, now) >= this.#burst, () => true]) {
      for (const [index, [identity, use]] of [...this.#uses].entries()) {
        if (this.#uses.size <= target) return;
        if (index < newest && use.streams === 0 && isExpendable(use)) this.#uses.delete(identity);
      }
    }
  }
}

// How often refusals are told: who is refused all the time must not fill the disk. Pure.

/** Lines of one address in a second. */
const LINES_PER_SECOND = 10;

/** Addresses that are remembered; beyond that the others are told of together. */
const ADDRESSES_MAX = 1_000;

const SECOND_MS = 1_000;

interface Second {
  begin: number;
  lines: number;
  untold: number;
}

export class RefusalRate {
  readonly #now: () => number;
  readonly #addresses = new Map<string, Second>();

  /** @param now ms of a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a refusal is told, and how many of the same address were not told before it. */
  tell(address: string): { readonly isTold: boolean; readonly untold: number } {
    const now = this.#now();
    const second = this.#secondOf(hostOf(address), now);
    if (now - second.begin >= SECOND_MS) {
      second.begin = now;
      second.lines = 0;
    }
    if (second.lines === LINES_PER_SECOND) {
      second.untold++;
      return { isTold: false, untold: 0 };
    }
    second.lines++;
    const { untold } = second;
    second.untold = 0;
    return { isTold: true, untold };
  }

  #secondOf(host: string, now: number): Second {
    const known = this.#addresses.get(host);
    if (known !== undefined) return known;
    if (this.#addresses.size >= ADDRESSES_MAX) this.#forgetOld(now);
    const key = this.#addresses.size >= ADDRESSES_MAX ? OTHERS : host;
    const second = this.#addresses.get(key) ?? { begin: now, lines: 0, untold: 0 };
    this.#addresses.set(key, second);
    return second;
  }

  #forgetOld(now: number): void {
    for (const [host, { begin, untold }] of this.#addresses) {
      if (now - begin >= SECOND_MS && untold === 0) this.#addresses.delete(host);
    }
  }
}

const OTHERS = '';

/** The address without the port, which is another for each connection. */
export function hostOf(address: string): string {
  const end = address.lastIndexOf(':');
  return end === -1 ? address : address.slice(0, end);
}

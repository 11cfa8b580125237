// Values of texts that come again and again in a file, found by their bytes without making strings of them.

/** Texts that are remembered; when there are more, all are forgotten. */
const KNOWN_MAX = 4_096;

interface Known<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

export class KnownTexts<T> {
  readonly #parse: (text: string) => T;
  readonly #byHash = new Map<number, Known<T>>();
  #last: Known<T> | undefined;

  /** @param parse makes the value of a text; the same value is given for the same text again, so it must not change. */
  constructor(parse: (text: string) => T) {
    this.#parse = parse;
  }

  /** The text that was asked for last, if it is at this place again. */
  lastAt(bytes: Uint8Array, at: number): { readonly length: number; readonly value: T } | undefined {
    const last = this.#last;
    if (last === undefined || !isAt(bytes, at, last.bytes)) return undefined;
    return { length: last.bytes.length, value: last.value };
  }

  /** The value of the text from `from` to before `to`. */
  get(bytes: Buffer, from: number, to: number): T {
    const hash = hashOf(bytes, from, to);
    let known = this.#byHash.get(hash);
    if (known?.bytes.length !== to - from || !isAt(bytes, from, known.bytes)) {
      const value = this.#parse(bytes.toString('utf8', from, to));
      // A copy: what was read goes.
      known = { bytes: Uint8Array.prototype.slice.call(bytes, from, to), value };
      if (this.#byHash.size >= KNOWN_MAX) this.#byHash.clear();
      this.#byHash.set(hash, known);
    }
    this.#last = known;
    return known.value;
  }
}

/** The value of the text that came last, for texts of which many follow one another. */
export class LastText<T> {
  readonly #bytes: Uint8Array;
  #length = 0;
  #value: T | undefined;

  /** @param limit bytes of the longest text that is remembered. */
  constructor(limit: number) {
    this.#bytes = new Uint8Array(limit);
  }

  /** Its value, if it is the text from `from` to before `to`. */
  get(bytes: Uint8Array, from: number, to: number): T | undefined {
    if (to - from !== this.#length) return undefined;
    // From the end: that is where numbers differ.
    for (let i = to - from - 1; i >= 0; i--) if (bytes[from + i] !== this.#bytes[i]) return undefined;
    return this.#value;
  }

  set(bytes: Uint8Array, from: number, to: number, value: T): void {
    if (to - from > this.#bytes.length) return;
    this.#length = to - from;
    for (let i = 0; i < this.#length; i++) this.#bytes[i] = bytes[from + i] ?? 0;
    this.#value = value;
  }
}

/** Whether these bytes are at a place. */
export function isAt(bytes: Uint8Array, at: number, piece: Uint8Array): boolean {
  for (let i = 0; i < piece.length; i++) {
    if (bytes[at + i] !== piece[i]) return false;
  }
  return true;
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return hash;
}

import type { Progress, ReceivedStream } from './traffic-protocol.js';

/** Counts numbered packets by source and group: what is missing, came twice or came late. */
export class ReceivedStreams {
  readonly #streams = new Map<string, Counting>();
  #packets = 0;

  /** All packets, also those that came twice. */
  get packets(): number {
    return this.#packets;
  }

  /** @param atMs when it arrived, by any clock that only goes forward. */
  add(source: string, group: string, number: number, atMs: number): void {
    this.#packets++;
    const key = `${group} ${source}`;
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = new Counting(source, group, number, atMs);
      this.#streams.set(key, stream);
    }
    stream.add(number, atMs);
  }

  hasReached({ source, group, last }: Progress): boolean {
    const stream = this.#streams.get(`${group} ${source}`);
    return stream !== undefined && stream.last >= last;
  }

  /** Ordered by group, then by source. */
  report(): ReceivedStream[] {
    const keys = [...this.#streams.keys()].sort();
    return keys.flatMap((key) => this.#streams.get(key)?.report() ?? []);
  }
}

class Counting {
  readonly #source: string;
  readonly #group: string;
  /** Bit n & 7 of byte n >> 3: number n has come. */
  #seen = new Uint8Array(1024);
  #received = 0;
  #duplicated = 0;
  #reordered = 0;
  #first: number;
  #last: number;
  #lastAtMs: number;
  #longestGapMs = 0;

  constructor(source: string, group: string, number: number, atMs: number) {
    this.#source = source;
    this.#group = group;
    this.#first = number;
    this.#last = number;
    this.#lastAtMs = atMs;
  }

  get last(): number {
    return this.#last;
  }

  add(number: number, atMs: number): void {
    this.#longestGapMs = Math.max(this.#longestGapMs, atMs - this.#lastAtMs);
    this.#lastAtMs = atMs;
    const byte = number >>> 3;
    const bit = 1 << (number & 7);
    if (byte >= this.#seen.length) this.#grow(byte + 1);
    const old = this.#seen[byte] ?? 0;
    if ((old & bit) !== 0) {
      this.#duplicated++;
      return;
    }
    this.#seen[byte] = old | bit;
    this.#received++;
    if (number < this.#last) this.#reordered++;
    this.#first = Math.min(this.#first, number);
    this.#last = Math.max(this.#last, number);
  }

  report(): ReceivedStream {
    return {
      source: this.#source,
      group: this.#group,
      received: this.#received,
      lost: this.#last - this.#first + 1 - this.#received,
      duplicated: this.#duplicated,
      reordered: this.#reordered,
      first: this.#first,
      last: this.#last,
      longestGapMs: this.#longestGapMs,
    };
  }

  #grow(bytes: number): void {
    const larger = new Uint8Array(Math.max(bytes, this.#seen.length * 2));
    larger.set(this.#seen);
    this.#seen = larger;
  }
}

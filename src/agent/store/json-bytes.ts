// JSON text that is put together as bytes. Strings of half a million routes would be made, flattened and encoded, which
// costs several times as much.
import type { Prefix } from '../../model/address.js';
import { PREFIX_TEXT_MAX, writePrefix } from './address-bytes.js';

/** Texts whose JSON is remembered: interfaces and owners, which are few. */
const KNOWN_TEXTS_MAX = 1_024;

/** Bytes for which there is room at first. */
const FIRST_SIZE = 1 << 12;

const QUOTE = 34;

export class JsonBytes {
  #bytes = Buffer.allocUnsafe(FIRST_SIZE);
  #length = 0;
  readonly #known = new Map<string, Uint8Array>();

  get length(): number {
    return this.#length;
  }

  /** The bytes until now; they are good until something is added or cleared. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** Bytes as they are. */
  add(piece: Uint8Array): void {
    this.#reserve(piece.length);
    // A loop over the bytes is faster once it is compiled, and much slower for the first ten thousand routes of an agent.
    this.#bytes.set(piece, this.#length);
    this.#length += piece.length;
  }

  /** ASCII text as it is. */
  ascii(text: string): void {
    this.#reserve(text.length);
    this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  /** A text in quotes that is likely to come again. */
  name(text: string): void {
    let known = this.#known.get(text);
    if (known === undefined) {
      known = Buffer.from(JSON.stringify(text));
      if (this.#known.size >= KNOWN_TEXTS_MAX) this.#known.clear();
      this.#known.set(text, known);
    }
    this.add(known);
  }

  /** Any JSON value. */
  value(value: unknown): void {
    this.add(Buffer.from(JSON.stringify(value)));
  }

  /** A prefix in quotes. */
  prefix(prefix: Prefix): void {
    this.#reserve(PREFIX_TEXT_MAX + 2);
    const bytes = this.#bytes;
    bytes[this.#length] = QUOTE;
    const end = writePrefix(bytes, this.#length + 1, prefix);
    bytes[end] = QUOTE;
    this.#length = end + 1;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

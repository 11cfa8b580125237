// Writes the wire format of protobuf into a Buffer that grows, without objects in between. Fields that have their default
// value are the caller's to leave out.
import type { Address, Prefix } from '../model/address.js';
import { isHost } from '../model/address.js';

/** Bytes of a buffer at first. */
const CAPACITY = 64 * 1024;

/** Wire types (protobuf.dev, "Message Structure"). */
const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** The tag of a varint field; fields up to 15, whose tags have one byte. */
export function varintTag(field: number): number {
  return (field << 3) | VARINT;
}

/** The tag of a string, bytes or message; fields up to 15. */
export function lengthTag(field: number): number {
  return (field << 3) | LENGTH_DELIMITED;
}

/** The words of a 64-bit number, the lower one first, for `WireWriter.uint64`. */
export function wordsOf(value: bigint): [number, number] {
  return [Number(value & 0xffff_ffffn), Number(value >> 32n)];
}

/** Texts of which no encoding is longer than a length of one byte tells: 3 bytes for each UTF-16 unit at most. */
const SHORT_TEXT = 42;

/** Bytes of the longest varint, and of the longest text of a prefix. */
const VARINT_MAX = 10;
const PREFIX_MAX = 64;

export class WireWriter {
  #bytes: Buffer = Buffer.allocUnsafe(CAPACITY);
  #at = 0;

  /** Bytes since the last `take`. */
  get length(): number {
    return this.#at;
  }

  /** What was written since the last time. The bytes are the caller's from now on. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    // Small ones are copied, so that they do not hold all of a buffer.
    if (2 * bytes.length < this.#bytes.length) return Buffer.from(bytes);
    this.#bytes = Buffer.allocUnsafe(Math.max(CAPACITY, this.#bytes.length));
    return bytes;
  }

  /** A 32-bit number without sign, an enum's or a bool's. */
  uint32(tag: number, value: number): void {
    this.#reserve(1 + VARINT_MAX);
    this.#bytes[this.#at++] = tag;
    this.#varint(value);
  }

  /** A 64-bit number without sign, by its words. */
  uint64(tag: number, low: number, high: number): void {
    this.#reserve(1 + VARINT_MAX);
    this.#bytes[this.#at++] = tag;
    this.#varint64(low, high);
  }

  /** A text. */
  string(tag: number, text: string): void {
    const { length } = text;
    this.#reserve(1 + VARINT_MAX + 3 * length);
    const bytes = this.#bytes;
    bytes[this.#at++] = tag;
    if (length > SHORT_TEXT) {
      this.#varint(Buffer.byteLength(text));
      this.#at += bytes.write(text, this.#at);
      return;
    }
    const start = this.#at + 1;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) {
        const size = bytes.write(text, start);
        bytes[start - 1] = size;
        this.#at = start + size;
        return;
      }
      bytes[start + index] = code;
    }
    bytes[start - 1] = length;
    this.#at = start + length;
  }

  /** A text that is in bytes already, or an encoded message. */
  bytes(tag: number, value: Uint8Array): void {
    this.#reserve(1 + VARINT_MAX + value.length);
    this.#bytes[this.#at++] = tag;
    this.#varint(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** Encoded fields, just as they are. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** The text of an address, as `formatAddress` has it. */
  address(tag: number, address: Address): void {
    const start = this.begin(tag);
    this.#address(address);
    this.end(start);
  }

  /** The text of a prefix, as `formatPrefix` has it. */
  prefix(tag: number, prefix: Prefix): void {
    const start = this.begin(tag);
    this.#address(prefix.address);
    if (!isHost(prefix)) {
      this.#bytes[this.#at++] = SLASH;
      this.#decimal(prefix.length);
    }
    this.end(start);
  }

  /** Begins a message within the message; gives where, for `end`. */
  begin(tag: number): number {
    this.#reserve(2 + PREFIX_MAX);
    this.#bytes[this.#at] = tag;
    this.#at += 2;
    return this.#at;
  }

  /** Ends the message that began there. */
  end(start: number): void {
    const size = this.#at - start;
    if (size < 0x80) {
      this.#bytes[start - 1] = size;
      return;
    }
    // One byte was left for the length; few messages are so long.
    const more = size < 0x4000 ? 1 : size < 0x20_0000 ? 2 : 3;
    this.#reserve(more);
    this.#bytes.copyWithin(start + more, start, this.#at);
    this.#at = start - 1;
    this.#varint(size);
    this.#at += size;
  }

  #reserve(size: number): void {
    const needed = this.#at + size;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let rest = value >>> 0;
    while (rest > 0x7f) {
      bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.#at++] = rest;
  }

  #varint64(low: number, high: number): void {
    const bytes = this.#bytes;
    let [rest, above] = [low >>> 0, high >>> 0];
    while (above !== 0) {
      bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest = ((rest >>> 7) | (above << 25)) >>> 0;
      above >>>= 7;
    }
    this.#varint(rest);
  }

  #address({ family, words }: Address): void {
    if (family === 'ipv4') this.#ipv4(words[0] ?? 0);
    else this.#ipv6(words);
  }

  #ipv4(word: number): void {
    this.#decimal(word >>> 24);
    this.#bytes[this.#at++] = DOT;
    this.#decimal((word >>> 16) & 0xff);
    this.#bytes[this.#at++] = DOT;
    this.#decimal((word >>> 8) & 0xff);
    this.#bytes[this.#at++] = DOT;
    this.#decimal(word & 0xff);
  }

  /** As RFC 5952 recommends: the first of the longest runs of zeros, of two at least, is left out. */
  #ipv6(words: readonly number[]): void {
    if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) {
      for (const code of MAPPED) this.#bytes[this.#at++] = code;
      this.#ipv4(words[3] ?? 0);
      return;
    }
    let [runStart, runLength] = [0, 1];
    for (let index = 0, zeros = 0; index < 8; index++) {
      zeros = hextetAt(words, index) === 0 ? zeros + 1 : 0;
      if (zeros > runLength) [runStart, runLength] = [index + 1 - zeros, zeros];
    }
    for (let index = 0; index < 8; index++) {
      if (runLength > 1 && index === runStart) {
        this.#bytes[this.#at++] = COLON;
        index += runLength - 1;
        if (index === 7) this.#bytes[this.#at++] = COLON;
        continue;
      }
      if (index > 0) this.#bytes[this.#at++] = COLON;
      this.#hex(hextetAt(words, index));
    }
  }

  /** A number below 1,000. */
  #decimal(value: number): void {
    const bytes = this.#bytes;
    if (value >= 100) bytes[this.#at++] = ZERO + Math.floor(value / 100);
    if (value >= 10) bytes[this.#at++] = ZERO + (Math.floor(value / 10) % 10);
    bytes[this.#at++] = ZERO + (value % 10);
  }

  #hex(hextet: number): void {
    for (let shift = hextet >= 0x1000 ? 12 : hextet >= 0x100 ? 8 : hextet >= 0x10 ? 4 : 0; shift >= 0; shift -= 4) {
      const digit = (hextet >>> shift) & 0xf;
      this.#bytes[this.#at++] = digit < 10 ? ZERO + digit : LETTER_A + digit - 10;
    }
  }
}

const ZERO = 48;
const DOT = 46;
const SLASH = 47;
const COLON = 58;
const LETTER_A = 97;

/** `::ffff:`, before an IPv4 address (RFC 5952 section 5). */
const MAPPED = Buffer.from('::ffff:');

function hextetAt(words: readonly number[], index: number): number {
  const word = words[index >>> 1] ?? 0;
  return (index & 1) === 0 ? word >>> 16 : word & 0xffff;
}

// Prefixes as bytes of ASCII text and back, without a string in between: of half a million routes that is most of what
// there is to write and to read.
import { type Prefix, isHost } from '../../model/address.js';
import { parsePrefixBytes } from '../../model/prefix-bytes.js';

/** Bytes in which every prefix finds room: 39 of an IPv6 address, a slash and three digits. */
export const PREFIX_TEXT_MAX = 43;

const DOT = 46;
const SLASH = 47;
const ZERO = 48;
const COLON = 58;
const LETTER_A = 97;

/** Puts the text of `formatPrefix` at a place; `bytes` must have room for it. Returns where it ends. */
export function writePrefix(bytes: Uint8Array, at: number, prefix: Prefix): number {
  const { family, words } = prefix.address;
  at = family === 'ipv4' ? writeIpv4(bytes, at, words[0] ?? 0) : writeIpv6(bytes, at, words);
  if (isHost(prefix)) return at;
  bytes[at] = SLASH;
  return writeByte(bytes, at + 1, prefix.length);
}

/** The address, as a prefix, whose text is in the bytes from `from` to before `to`; undefined for a shorter prefix, or nothing of the kind. */
export function readHost(bytes: Buffer, from: number, to: number): Prefix | undefined {
  const prefix = parsePrefixBytes(bytes, from, to);
  return prefix !== undefined && isHost(prefix) ? prefix : undefined;
}

function writeIpv4(bytes: Uint8Array, at: number, word: number): number {
  at = writeByte(bytes, at, word >>> 24);
  bytes[at] = DOT;
  at = writeByte(bytes, at + 1, (word >>> 16) & 0xff);
  bytes[at] = DOT;
  at = writeByte(bytes, at + 1, (word >>> 8) & 0xff);
  bytes[at] = DOT;
  return writeByte(bytes, at + 1, word & 0xff);
}

/** A number up to 255 in decimal digits. */
function writeByte(bytes: Uint8Array, at: number, value: number): number {
  if (value >= 100) bytes[at++] = ZERO + Math.trunc(value / 100);
  if (value >= 10) bytes[at++] = ZERO + (Math.trunc(value / 10) % 10);
  bytes[at++] = ZERO + (value % 10);
  return at;
}

/** As RFC 5952 recommends: the first of the longest runs of two or more zeros is `::`. */
function writeIpv6(bytes: Uint8Array, at: number, words: readonly number[]): number {
  const isMapped = words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
  let [gap, gapLength, start] = [-1, 1, 0];
  for (let i = 0; i < 8; i++) {
    if (hextetOf(words, i) !== 0) start = i + 1;
    else if (i + 1 - start > gapLength) [gap, gapLength] = [start, i + 1 - start];
  }
  for (let i = 0; i < (isMapped ? 6 : 8); i++) {
    if (i === gap) {
      bytes[at++] = COLON;
      bytes[at++] = COLON;
      i += gapLength - 1;
    } else {
      if (i > 0 && i !== gap + gapLength) bytes[at++] = COLON;
      at = writeHextet(bytes, at, hextetOf(words, i));
    }
  }
  if (!isMapped) return at;
  bytes[at] = COLON;
  return writeIpv4(bytes, at + 1, words[3] ?? 0);
}

function hextetOf(words: readonly number[], index: number): number {
  const word = words[index >> 1] ?? 0;
  return index % 2 === 0 ? word >>> 16 : word & 0xffff;
}

function writeHextet(bytes: Uint8Array, at: number, hextet: number): number {
  for (let shift = hextet > 0xfff ? 12 : hextet > 0xff ? 8 : hextet > 0xf ? 4 : 0; shift >= 0; shift -= 4) {
    const digit = (hextet >> shift) & 0xf;
    bytes[at++] = digit < 10 ? ZERO + digit : LETTER_A + digit - 10;
  }
  return at;
}

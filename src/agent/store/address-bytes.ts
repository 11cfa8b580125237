// Prefixes as bytes of ASCII text and back, without a string in between: of half a million routes that is most of what
// there is to write and to read.
import { type Prefix, hostPrefix, isHost } from '../../model/address.js';

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

/**
 * The address, as a prefix, whose text is in the bytes from `from` to before `to`; undefined for what may be an address in
 * another form, a shorter prefix, or nothing of the kind.
 */
export function readHost(bytes: Buffer, from: number, to: number): Prefix | undefined {
  const word = readIpv4(bytes, from, to);
  if (word !== undefined) return hostPrefix({ family: 'ipv4', words: [word] });
  const words = readIpv6(bytes, from, to);
  return words && hostPrefix({ family: 'ipv6', words });
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

/** The word of a dotted quad; undefined if it is none. */
function readIpv4(bytes: Buffer, from: number, to: number): number | undefined {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = from; i < to; i++) {
    const code = bytes[i] ?? 0;
    if (code === DOT) {
      if (octet < 0 || ++dots > 3) return undefined;
      value = value * 256 + octet;
      octet = -1;
    } else {
      const digit = code - ZERO;
      if (digit < 0 || digit > 9 || octet === 0) return undefined;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return undefined;
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : undefined;
}

/** The words of an address in lower case without a dotted quad; undefined for what may be another, or none. */
function readIpv6(bytes: Buffer, from: number, to: number): number[] | undefined {
  const hextets = [0, 0, 0, 0, 0, 0, 0, 0];
  let [count, gap, value, digits] = [0, -1, 0, 0];
  for (let i = from; i < to; i++) {
    const code = bytes[i] ?? 0;
    if (code === COLON) {
      if (digits > 0) {
        if (count === 8) return undefined;
        hextets[count++] = value;
        [value, digits] = [0, 0];
      } else if (i > from && bytes[i - 1] === COLON && gap === -1) gap = count;
      else if (i > from || bytes[i + 1] !== COLON) return undefined;
    } else {
      const digit = code >= LETTER_A ? code - LETTER_A + 10 : code - ZERO;
      const isDigit = digit >= 0 && digit < 16 && (code >= LETTER_A || digit < 10);
      if (!isDigit || ++digits > 4) return undefined;
      value = value * 16 + digit;
    }
  }
  if (digits > 0) {
    if (count === 8) return undefined;
    hextets[count++] = value;
  } else if (gap !== count) return undefined;
  if (gap === -1 ? count !== 8 : count > 7) return undefined;
  if (gap !== -1) {
    hextets.copyWithin(gap + 8 - count, gap, count);
    hextets.fill(0, gap, gap + 8 - count);
  }
  return [0, 2, 4, 6].map((i) => (hextets[i] ?? 0) * 0x10000 + (hextets[i + 1] ?? 0));
}

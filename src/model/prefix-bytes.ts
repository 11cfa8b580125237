// Addresses and prefixes from the bytes of their texts, without the texts. Pure. The grammar is that of address.ts,
// which says what is wrong with a text that this does not take.
import { type Prefix, maskAddress } from './address.js';

/** Parses `ADDRESS` or `ADDRESS/LENGTH` as `parsePrefix` does; undefined if the bytes are no such text. */
export function parsePrefixBytes(bytes: Uint8Array, start: number, end: number): Prefix | undefined {
  const slash = findSlash(bytes, start, end);
  const word = parseIpv4(bytes, start, slash);
  if (word >= 0) {
    const length = slash === end ? 32 : parseLength(bytes, slash + 1, end, 32);
    if (length < 0) return undefined;
    const address = { family: 'ipv4', words: [word] } as const;
    return { address: length === 32 ? address : maskAddress(address, length), length };
  }
  const words = parseIpv6(bytes, start, slash);
  if (words === undefined) return undefined;
  const length = slash === end ? 128 : parseLength(bytes, slash + 1, end, 128);
  if (length < 0) return undefined;
  const address = { family: 'ipv6', words } as const;
  return { address: length === 128 ? address : maskAddress(address, length), length };
}

/** What numbers give that are none. */
const NONE = -1;

const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const COLON = 0x3a;

/** A slash stands before three digits at most. */
function findSlash(bytes: Uint8Array, start: number, end: number): number {
  for (let at = end - 1; at >= start && at >= end - 4; at--) if (bytes[at] === SLASH) return at;
  return end;
}

/** 0 to `longest`, without leading zeros. */
function parseLength(bytes: Uint8Array, start: number, end: number, longest: number): number {
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9 || (length === 0 && at > start)) return NONE;
    length = length * 10 + digit;
  }
  return start === end || length > longest ? NONE : length;
}

function parseIpv4(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  let octet = NONE;
  let dots = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === DOT) {
      if (octet < 0 || ++dots > 3) return NONE;
      value = value * 256 + octet;
      octet = NONE;
    } else {
      const digit = byte - ZERO;
      if (digit < 0 || digit > 9 || octet === 0) return NONE;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return NONE;
    }
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : NONE;
}

function parseIpv6(bytes: Uint8Array, start: number, end: number): number[] | undefined {
  const hextets = [0, 0, 0, 0, 0, 0, 0, 0];
  let count = 0;
  // Where `::` stands, in hextets.
  let gap = NONE;
  let at = start;
  if (bytes[at] === COLON && end - start >= 2) {
    if (bytes[at + 1] !== COLON) return undefined;
    gap = 0;
    at += 2;
  }
  while (at < end) {
    const part = at;
    let value = 0;
    for (; at < end; at++) {
      const digit = hexDigit(bytes[at] ?? 0);
      if (digit < 0) break;
      value = value * 16 + digit;
    }
    if (at < end && bytes[at] === DOT) {
      // Dotted quad ends the address.
      const word = parseIpv4(bytes, part, end);
      if (word < 0 || count > 6) return undefined;
      hextets[count++] = word >>> 16;
      hextets[count++] = word & 0xffff;
      break;
    }
    if (at === part || at > part + 4 || count === 8) return undefined;
    hextets[count++] = value;
    if (at === end) break;
    if (bytes[at] !== COLON || ++at === end) return undefined;
    if (bytes[at] === COLON) {
      if (gap >= 0) return undefined;
      gap = count;
      at++;
    }
  }
  if (gap < 0 ? count !== 8 : count > 7) return undefined;
  if (gap >= 0) spread(hextets, gap, count);
  const word = (index: number) => (hextets[index] ?? 0) * 0x10000 + (hextets[index + 1] ?? 0);
  return [word(0), word(2), word(4), word(6)];
}

/** Moves what stands after the gap to the end. */
function spread(hextets: number[], gap: number, count: number): void {
  for (let from = count - 1, to = 7; from >= gap; from--, to--) {
    hextets[to] = hextets[from] ?? 0;
    hextets[from] = 0;
  }
}

function hexDigit(byte: number): number {
  if (byte >= ZERO && byte <= ZERO + 9) return byte - ZERO;
  // Letters of both cases differ by this bit.
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : NONE;
}

// Addresses and prefixes of both families, parsed once at the border and kept as 32-bit words.

/** An address family. */
export type Family = 'ipv4' | 'ipv6';

/** Both families, in the order in which they are shown. */
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

/** An IP address: one unsigned 32-bit word for IPv4, four for IPv6, most significant first. */
export interface Address {
  readonly family: Family;
  readonly words: readonly number[];
}

/** All addresses whose first `length` bits are those of `address`; its other bits are zero. */
export interface Prefix {
  readonly address: Address;
  readonly length: number;
}

/** A text is not an address or a prefix. */
export class AddressError extends Error {
  readonly code = 'INVALID_ADDRESS';
}

/** Bits of an address of the family: 32 or 128. */
export function addressLength(family: Family): number {
  return family === 'ipv4' ? 32 : 128;
}

/**
 * Parses dotted-quad IPv4 (no leading zeros, RFC 6943 section 3.1.1) or IPv6 (RFC 4291 section 2.2, without a zone).
 *
 * @throws AddressError if the text is neither.
 */
export function parseAddress(text: string): Address {
  const words = text.includes(':') ? parseIpv6(text) : parseIpv4(text);
  if (words === undefined) throw new AddressError(`'${text}' is not an IPv4 or IPv6 address`);
  return { family: words.length === 1 ? 'ipv4' : 'ipv6', words };
}

/** Formats an address; IPv6 as RFC 5952 recommends. */
export function formatAddress(address: Address): string {
  return address.family === 'ipv4' ? formatIpv4(address.words[0] ?? 0) : formatIpv6(address.words);
}

/**
 * Parses `ADDRESS` or `ADDRESS/LENGTH`. Host bits may be set and are cleared, as smcroute does.
 *
 * @throws AddressError if the address or the length is not valid.
 */
export function parsePrefix(text: string): Prefix {
  const slash = text.indexOf('/');
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  const longest = addressLength(address.family);
  if (slash === -1) return { address, length: longest };
  const digits = text.slice(slash + 1);
  const length = /^(0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : Infinity;
  if (length > longest) {
    throw new AddressError(`'${text}' has no prefix length from 0 to ${longest}`);
  }
  return { address: maskAddress(address, length), length };
}

/** Formats a prefix; one of full length as its address. */
export function formatPrefix(prefix: Prefix): string {
  const address = formatAddress(prefix.address);
  return isHost(prefix) ? address : `${address}/${prefix.length}`;
}

/** The prefix that holds just this address. */
export function hostPrefix(address: Address): Prefix {
  return { address, length: addressLength(address.family) };
}

/** The prefix of length 0: every address of the family. */
export function anyPrefix(family: Family): Prefix {
  return ANY[family];
}

/** Whether the prefix holds one address only. */
export function isHost(prefix: Prefix): boolean {
  return prefix.length === addressLength(prefix.address.family);
}

/** Whether the prefix holds every address of its family. */
export function isAny(prefix: Prefix): boolean {
  return prefix.length === 0;
}

/** The address with all bits after the first `length` cleared. */
export function maskAddress(address: Address, length: number): Address {
  if (length >= addressLength(address.family)) return address;
  return { family: address.family, words: address.words.map((word, index) => maskWord(word, length - 32 * index)) };
}

/** Whether the prefix holds the address. */
export function holds(prefix: Prefix, address: Address): boolean {
  if (prefix.address.family !== address.family) return false;
  return address.words.every(
    (word, index) => maskWord(word, prefix.length - 32 * index) === prefix.address.words[index],
  );
}

/** Whether every address of `inner` is one of `outer`. */
export function covers(outer: Prefix, inner: Prefix): boolean {
  return outer.length <= inner.length && holds(outer, inner.address);
}

/** Whether two prefixes share an address, that is, whether one covers the other. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.length <= b.length ? covers(a, b) : covers(b, a);
}

/** Whether two addresses are the same. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.family === b.family && a.words.every((word, index) => word === b.words[index]);
}

/** Whether two prefixes are the same. */
export function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && sameAddress(a.address, b.address);
}

/** Orders addresses by family, then by value. */
export function compareAddresses(a: Address, b: Address): number {
  if (a.family !== b.family) return a.family === 'ipv4' ? -1 : 1;
  for (const [index, word] of a.words.entries()) {
    const difference = word - (b.words[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Orders prefixes by address, then shorter ones first. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  return compareAddresses(a.address, b.address) || a.length - b.length;
}

/** Prefixes as resources have them: each once, in the order of their texts. */
export function canonicalPrefixes(prefixes: readonly Prefix[]): Prefix[] {
  const byText = new Map(prefixes.map((prefix) => [formatPrefix(prefix), prefix]));
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, prefix]) => prefix);
}

/** A value of a Map key: equal for equal addresses of one family. */
export function addressKey(address: Address): number | string {
  // Signed: V8 hashes 32-bit integers faster than other numbers.
  if (address.family === 'ipv4') return (address.words[0] ?? 0) | 0;
  const [a = 0, b = 0, c = 0, d = 0] = address.words;
  return String.fromCharCode(a >>> 16, a & 0xffff, b >>> 16, b & 0xffff, c >>> 16, c & 0xffff, d >>> 16, d & 0xffff);
}

/** Whether the address is 0.0.0.0 or ::, which no sender has (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2). */
export function isUnspecified(address: Address): boolean {
  return address.words.every((word) => word === 0);
}

/** Whether the address is a group: 224.0.0.0/4 or ff00::/8. */
export function isMulticast(address: Address): boolean {
  const first = address.words[0] ?? 0;
  return address.family === 'ipv4' ? first >>> 28 === 0xe : first >>> 24 === 0xff;
}

/** Whether every address of the prefix is a group. */
export function isMulticastPrefix(prefix: Prefix): boolean {
  return prefix.length >= (prefix.address.family === 'ipv4' ? 4 : 8) && isMulticast(prefix.address);
}

/**
 * Whether no router ever forwards some address of the group prefix: 224.0.0.0/24 (RFC 5771), and IPv6 scopes
 * interface-local and link-local, ff01::/16 and ff02::/16 with any flags (RFC 4291 section 2.7).
 */
export function isLinkLocalGroup(group: Prefix): boolean {
  if (group.address.family === 'ipv4') return overlaps(group, LINK_LOCAL_GROUPS);
  if (group.length < 16) return true;
  const scope = ((group.address.words[0] ?? 0) >>> 16) & 0xf;
  return scope === 1 || scope === 2;
}

const ANY: Record<Family, Prefix> = {
  ipv4: { address: { family: 'ipv4', words: [0] }, length: 0 },
  ipv6: { address: { family: 'ipv6', words: [0, 0, 0, 0] }, length: 0 },
};

const LINK_LOCAL_GROUPS: Prefix = { address: { family: 'ipv4', words: [0xe0000000] }, length: 24 };

/** The first `bits` bits of a word; all of it from 32 on, none of it up to 0. */
function maskWord(word: number, bits: number): number {
  if (bits >= 32) return word;
  if (bits <= 0) return 0;
  return (word & (-1 << (32 - bits))) >>> 0;
}

const DOT = 46;
const ZERO = 48;

function parseIpv4(text: string): number[] | undefined {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
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
  return dots === 3 && octet >= 0 ? [value * 256 + octet] : undefined;
}

function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseHextets(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseHextets(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return [0, 2, 4, 6].map((i) => (all[i] ?? 0) * 0x10000 + (all[i + 1] ?? 0));
}

/** Parses `a:b:c`; its last part may be dotted-quad where the address ends there. */
function parseHextets(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const hextets: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && endsAddress && index === parts.length - 1) {
      const [word] = parseIpv4(part) ?? [];
      if (word === undefined) return undefined;
      hextets.push(word >>> 16, word & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      hextets.push(Number.parseInt(part, 16));
    }
  }
  return hextets;
}

function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 0xff}.${(word >>> 8) & 0xff}.${word & 0xff}`;
}

function formatIpv6(words: readonly number[]): string {
  const hextets = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  const isMapped = words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
  if (isMapped) return `::ffff:${formatIpv4(words[3] ?? 0)}`;
  const { start, length } = longestZeroRun(hextets);
  const text = (part: readonly number[]) => part.map((hextet) => hextet.toString(16)).join(':');
  if (length < 2) return text(hextets);
  return `${text(hextets.slice(0, start))}::${text(hextets.slice(start + length))}`;
}

function longestZeroRun(hextets: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, hextet] of hextets.entries()) {
    if (hextet !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}

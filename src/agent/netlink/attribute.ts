// Attributes: type, length and value (struct nlattr in linux/netlink.h, struct rtattr in linux/rtnetlink.h).
import { type Address, type Family, addressLength } from '../../model/address.js';
import { LITTLE_ENDIAN, NetlinkFormatError, align, fixedPart } from './bytes.js';

/** Bytes of struct nlattr. */
const HEADER = 4;

/** NLA_F_NESTED: the value is attributes. Older kernel code leaves it out, so it is only ever written. */
const NESTED = 0x8000;

/** NLA_TYPE_MASK: the type without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;

/** An attribute. */
export interface Attribute {
  /** Without flags when it was parsed. */
  readonly type: number;
  readonly value: Uint8Array;
}

/** Values by type; of several of one type the last, as in `nla_parse`. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

/**
 * The attributes from the offset to the end, in order. Values share memory with the bytes.
 *
 * @throws NetlinkFormatError if a length does not fit.
 */
export function listAttributes(bytes: Uint8Array, offset = 0): readonly Attribute[] {
  const attributes: Attribute[] = [];
  forEachAttribute(bytes, offset, (type, value) => attributes.push({ type, value }));
  return attributes;
}

/**
 * As `listAttributes`, where each type is there once.
 *
 * @throws NetlinkFormatError if a length does not fit.
 */
export function parseAttributes(bytes: Uint8Array, offset = 0): Attributes {
  const attributes = new Map<number, Uint8Array>();
  forEachAttribute(bytes, offset, (type, value) => attributes.set(type, value));
  return attributes;
}

/** The bytes of attributes in order, each padded to four. */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  const total = attributes.reduce((sum, { value }) => sum + align(HEADER + value.length), 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let start = 0;
  for (const { type, value } of attributes) {
    view.setUint16(start, HEADER + value.length, LITTLE_ENDIAN);
    view.setUint16(start + 2, type, LITTLE_ENDIAN);
    bytes.set(value, start + HEADER);
    start += align(HEADER + value.length);
  }
  return bytes;
}

export function u8Attribute(type: number, value: number): Attribute {
  return { type, value: Uint8Array.of(value) };
}

export function u16Attribute(type: number, value: number): Attribute {
  return { type, value: new Uint8Array(Uint16Array.of(value).buffer) };
}

export function u32Attribute(type: number, value: number): Attribute {
  return { type, value: new Uint8Array(Uint32Array.of(value).buffer) };
}

export function u64Attribute(type: number, value: bigint): Attribute {
  return { type, value: new Uint8Array(BigUint64Array.of(value).buffer) };
}

/** Text with the final zero that NLA_NUL_STRING asks for. */
export function textAttribute(type: number, value: string): Attribute {
  return { type, value: new TextEncoder().encode(`${value}\0`) };
}

/** An address in network byte order. */
export function addressAttribute(type: number, address: Address): Attribute {
  const value = new Uint8Array(4 * address.words.length);
  const view = new DataView(value.buffer);
  for (const [index, word] of address.words.entries()) view.setUint32(4 * index, word);
  return { type, value };
}

export function nestedAttribute(type: number, attributes: readonly Attribute[]): Attribute {
  return { type: type | NESTED, value: encodeAttributes(attributes) };
}

// The readers take values longer than their type, as `nla_get_u32` and its kin do, and throw NetlinkFormatError on
// shorter ones.

export function readU8(value: Uint8Array): number {
  return fixedPart(value, 1, 'a u8').getUint8(0);
}

export function readU16(value: Uint8Array): number {
  return fixedPart(value, 2, 'a u16').getUint16(0, LITTLE_ENDIAN);
}

export function readU32(value: Uint8Array): number {
  return fixedPart(value, 4, 'a u32').getUint32(0, LITTLE_ENDIAN);
}

export function readS32(value: Uint8Array): number {
  return fixedPart(value, 4, 'an s32').getInt32(0, LITTLE_ENDIAN);
}

export function readU64(value: Uint8Array): bigint {
  return fixedPart(value, 8, 'a u64').getBigUint64(0, LITTLE_ENDIAN);
}

/** Text up to the first zero byte or the end. What is not UTF-8 becomes U+FFFD. */
export function readText(value: Uint8Array): string {
  const end = value.indexOf(0);
  return TEXT.decode(end === -1 ? value : value.subarray(0, end));
}

/** An address of the family in network byte order. */
export function readAddress(value: Uint8Array, family: Family): Address {
  const view = fixedPart(value, addressLength(family) / 8, 'an address');
  const words =
    family === 'ipv4'
      ? [view.getUint32(0)]
      : [view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)];
  return { family, words };
}

/** Reads an attribute that may be missing. */
export function readOptional<T>(attributes: Attributes, type: number, read: (value: Uint8Array) => T): T | undefined {
  const value = attributes.get(type);
  return value === undefined ? undefined : read(value);
}

/**
 * Reads an attribute that the kernel always gives.
 *
 * @throws NetlinkFormatError if it is missing.
 */
export function readRequired<T>(attributes: Attributes, type: number, read: (value: Uint8Array) => T, what: string): T {
  const value = attributes.get(type);
  if (value === undefined) throw new NetlinkFormatError(`${what} is missing`);
  return read(value);
}

// Names of interfaces are bytes to the kernel: a byte order mark is part of the name.
const TEXT = new TextDecoder('utf-8', { ignoreBOM: true });

function forEachAttribute(bytes: Uint8Array, offset: number, each: (type: number, value: Uint8Array) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = offset;
  while (start < bytes.length) {
    const left = bytes.length - start;
    const length = left < HEADER ? 0 : view.getUint16(start, LITTLE_ENDIAN);
    if (length < HEADER || length > left) {
      throw new NetlinkFormatError(`an attribute of ${length} bytes where ${left} are left`);
    }
    each(view.getUint16(start + 2, LITTLE_ENDIAN) & TYPE_MASK, bytes.subarray(start + HEADER, start + length));
    start += align(length);
  }
}

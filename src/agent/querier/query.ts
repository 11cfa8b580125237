// Queries of IGMP and MLD as bytes: RFC 2236 section 2, RFC 3376 section 4.1, RFC 2710 section 3, RFC 3810 section 5.1.
import { type Address, type Family, isUnspecified } from '../../model/address.js';
import { internetChecksum } from '../signalling/checksum.js';

/** Type of a query. */
export const QUERY_TYPE: Readonly<Record<Family, number>> = { ipv4: 0x11, ipv6: 130 };

/** Versions that queries can be sent in: IGMPv2 and v3, MLDv1 and v2. */
export const QUERY_VERSIONS: Readonly<Record<Family, readonly [number, number]>> = { ipv4: [2, 3], ipv6: [1, 2] };

/** What a query says. */
export interface Query {
  readonly family: Family;
  /** 1 to 3 of IGMP, 1 and 2 of MLD. */
  readonly version: number;
  /** 0.0.0.0 or :: in a general query. */
  readonly group: Address;
  /** Within which hosts answer; 0 where the version has no such field. */
  readonly maxResponseMs: number;
  /** The querier's robustness variable, 1 to 7; 0: not told. */
  readonly robustness: number;
  /** The querier's query interval in seconds; 0: not told. */
  readonly intervalS: number;
}

/** Times of IGMP are in tenths of a second. */
const IGMP_TICK_MS = 100;

/** QRV has three bits; a value that does not fit is told as 0 (RFC 3376, 4.1.6). */
const ROBUSTNESS_MAX = 7;

/** Bytes of a query of the older and of the newer version, without sources. */
const LENGTHS: Readonly<Record<Family, readonly [number, number]>> = { ipv4: [8, 12], ipv6: [24, 28] };

/** The message; that of IPv6 without its checksum. Times are rounded to what the version can say. */
export function encodeQuery(query: Query): Uint8Array {
  const [older, newer] = LENGTHS[query.family];
  const isNewer = query.version === QUERY_VERSIONS[query.family][1];
  const bytes = new Uint8Array(isNewer ? newer : older);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, QUERY_TYPE[query.family]);
  if (query.family === 'ipv4') {
    const tenths = Math.round(query.maxResponseMs / IGMP_TICK_MS);
    view.setUint8(1, isNewer ? encodeFloat(tenths, FLOAT_8) : Math.min(tenths, 0xff));
  } else {
    view.setUint16(4, isNewer ? encodeFloat(query.maxResponseMs, FLOAT_16) : Math.min(query.maxResponseMs, 0xffff));
  }
  for (const [index, word] of query.group.words.entries()) view.setUint32(groupOffset(query.family) + 4 * index, word);
  if (isNewer) {
    view.setUint8(older, query.robustness > ROBUSTNESS_MAX ? 0 : query.robustness);
    view.setUint8(older + 1, encodeFloat(query.intervalS, FLOAT_8));
  }
  if (query.family === 'ipv4') view.setUint16(2, internetChecksum(bytes));
  return bytes;
}

/** What the message says; undefined if it is no query or a damaged one. */
export function parseQuery(family: Family, bytes: Uint8Array): Query | undefined {
  const version = versionOf(family, bytes);
  if (bytes[0] !== QUERY_TYPE[family] || version === undefined) return undefined;
  if (family === 'ipv4' && internetChecksum(bytes) !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [older] = LENGTHS[family];
  const isNewer = version === QUERY_VERSIONS[family][1];
  const offset = groupOffset(family);
  const words = family === 'ipv4' ? [0] : [0, 4, 8, 12];
  return {
    family,
    version,
    group: { family, words: words.map((at) => view.getUint32(offset + at)) },
    maxResponseMs: maxResponse(family, view, isNewer),
    robustness: isNewer ? view.getUint8(older) & ROBUSTNESS_MAX : 0,
    intervalS: isNewer ? decodeFloat(view.getUint8(older + 1), FLOAT_8) : 0,
  };
}

/** Whether it asks about every group. */
export function isGeneral(query: Query): boolean {
  return isUnspecified(query.group);
}

/** RFC 3376, 7.1; RFC 3810, 8.1: the length tells; other lengths are silently ignored. */
function versionOf(family: Family, bytes: Uint8Array): number | undefined {
  const [older, newer] = LENGTHS[family];
  const [olderVersion, newerVersion] = QUERY_VERSIONS[family];
  if (bytes.length >= newer) return newerVersion;
  if (bytes.length !== older) return undefined;
  return family === 'ipv4' && bytes[1] === 0 ? 1 : olderVersion;
}

function maxResponse(family: Family, view: DataView, isNewer: boolean): number {
  if (family === 'ipv6') return isNewer ? decodeFloat(view.getUint16(4), FLOAT_16) : view.getUint16(4);
  return IGMP_TICK_MS * (isNewer ? decodeFloat(view.getUint8(1), FLOAT_8) : view.getUint8(1));
}

function groupOffset(family: Family): number {
  return family === 'ipv4' ? 4 : 8;
}

/** A code whose first bit says that three bits of exponent and then a mantissa follow. */
interface FloatCode {
  readonly mantissaBits: number;
}

/** Max Resp Code of IGMPv3 and both QQICs (RFC 3376, 4.1.1 and 4.1.7). */
const FLOAT_8: FloatCode = { mantissaBits: 4 };
/** Maximum Response Code of MLDv2 (RFC 3810, 5.1.3). */
const FLOAT_16: FloatCode = { mantissaBits: 12 };

/** The code of the largest value that can be told and is not above this one. */
function encodeFloat(value: number, { mantissaBits }: FloatCode): number {
  const flag = 1 << (mantissaBits + 3);
  if (value < flag) return value;
  const implied = 1 << mantissaBits;
  const largest = (2 * implied - 1) * 2 ** 10;
  const bounded = Math.min(value, largest);
  // The exponent whose mantissa, with its implied first bit, fits.
  const exponent = Math.floor(Math.log2(bounded)) - mantissaBits - 3;
  const mantissa = Math.floor(bounded / 2 ** (exponent + 3)) - implied;
  return flag | (exponent << mantissaBits) | mantissa;
}

function decodeFloat(code: number, { mantissaBits }: FloatCode): number {
  const flag = 1 << (mantissaBits + 3);
  if (code < flag) return code;
  const implied = 1 << mantissaBits;
  const exponent = (code >>> mantissaBits) & 7;
  return (implied | (code & (implied - 1))) * 2 ** (exponent + 3);
}

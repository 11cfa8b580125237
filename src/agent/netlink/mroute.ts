// The kernel's forwarding cache: RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE of the multicast families (`mr_fill_mroute`).
import { type Address, type Family, addressLength } from '../../model/address.js';
import { type Attributes, addressAttribute, parseAttributes, u32Attribute } from './attribute.js';
import { readAddress, readOptional, readRequired, readU32, readU64 } from './attribute.js';
import { LITTLE_ENDIAN, NetlinkFormatError, align, fixedPart } from './bytes.js';
import { MULTICAST_FAMILY, multicastFamily } from './family.js';
import { NLM_F, type NetlinkMessage, type NetlinkRequest, encodePayload } from './message.js';

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;

/** Where an mfc entry sends packets. */
export interface MfcOif {
  readonly ifindex: number;
  /** Packets with a TTL above it leave, 1..254; always 1 in IPv6. */
  readonly ttlThreshold: number;
}

/** An entry of the kernel's forwarding cache; it knows interfaces by ifindex, not by vif. */
export interface MfcEntry {
  readonly table: number;
  /** Undefined for a (*,G) entry. */
  readonly source: Address | undefined;
  readonly group: Address;
  /** Ifindex. Undefined: the entry is unresolved, or its parent vif has no interface. */
  readonly iif: number | undefined;
  /**
   * In the order of their vifs. Those of a (*,G) entry are without its iif, which the kernel wants among them and never
   * sends to.
   */
  readonly oifs: readonly MfcOif[];
  /** Matched, also those on a wrong interface; 0 while unresolved. */
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly wrongIf: bigint;
  /** Time since a packet last matched, or since it was made, in ms by steps of 10; undefined while unresolved. */
  readonly lastUsedMs: number | undefined;
  /** Packets wait for someone to say where they go (`ipmr_cache_unresolved`). */
  readonly isUnresolved: boolean;
  /** RTPROT_*: 17 made by the table's owner, 4 static. */
  readonly protocol: number;
}

/** What a message says of an mfc entry. */
export interface MfcNews {
  readonly event: 'mfc' | 'mfc-gone';
  readonly entry: MfcEntry;
}

/**
 * Asks for the entries of one table. It needs NETLINK_GET_STRICT_CHK, without which the kernel gives those of all
 * tables. Answered with ENOENT if the table was never opened.
 */
export function mfcDumpRequest(family: Family, table: number): NetlinkRequest {
  return routeRequest(NLM_F.dump, routeHeader(family, 0), [u32Attribute(RTA.table, table)]);
}

/** Asks for one resolved entry. Answered with ENOENT if there is none. */
export function mfcGetRequest(table: number, source: Address, group: Address): NetlinkRequest {
  return routeRequest(0, routeHeader(group.family, addressLength(group.family)), [
    u32Attribute(RTA.table, table),
    addressAttribute(RTA.source, source),
    addressAttribute(RTA.group, group),
  ]);
}

/**
 * What the message says of an mfc entry; undefined if it is about something else, such as a unicast route.
 *
 * @throws NetlinkFormatError
 */
export function parseMfcEntry(message: NetlinkMessage): MfcNews | undefined {
  if (message.type !== RTM_NEWROUTE && message.type !== RTM_DELROUTE) return undefined;
  const header = fixedPart(message.payload, RTMSG_LENGTH, 'struct rtmsg');
  const family = multicastFamily(header.getUint8(0));
  if (family === undefined) return undefined;
  const attributes = parseAttributes(message.payload, RTMSG_LENGTH);
  const address = (value: Uint8Array): Address => readAddress(value, family);
  const source = readRequired(attributes, RTA.source, address, 'RTA_SRC');
  const isAnySource = source.words.every((word) => word === 0);
  const iif = readOptional(attributes, RTA.iif, readU32);
  const oifs = readOptional(attributes, RTA.multipath, parseOifs) ?? [];
  return {
    event: message.type === RTM_NEWROUTE ? 'mfc' : 'mfc-gone',
    entry: {
      // The header has eight bits for it; RTA_TABLE has them all.
      table: readOptional(attributes, RTA.table, readU32) ?? header.getUint8(4),
      source: isAnySource ? undefined : source,
      group: readRequired(attributes, RTA.group, address, 'RTA_DST'),
      iif,
      oifs: isAnySource ? oifs.filter(({ ifindex }) => ifindex !== iif) : oifs,
      ...parseUse(attributes),
      isUnresolved: (header.getUint32(8, LITTLE_ENDIAN) & RTNH_F_UNRESOLVED) !== 0,
      protocol: header.getUint8(5),
    },
  };
}

const RTM_GETROUTE = 26;
const RTMSG_LENGTH = 12;
const RTNEXTHOP_LENGTH = 8;
const RTA = { group: 1, source: 2, iif: 3, multipath: 9, table: 15, stats: 17, expires: 23 } as const;

/** Of rtnh_flags, but ipmr sets it in rtm_flags. */
const RTNH_F_UNRESOLVED = 0x20;

/** Milliseconds of a clock tick: USER_HZ is 100. */
const CLOCK_TICK_MS = 10;

function routeRequest(
  flags: number,
  header: Uint8Array,
  attributes: Parameters<typeof encodePayload>[1],
): NetlinkRequest {
  return { name: 'RTM_GETROUTE', type: RTM_GETROUTE, flags, payload: encodePayload(header, attributes) };
}

/** A struct rtmsg; strict checking wants the lengths of RTA_DST and RTA_SRC in it. */
function routeHeader(family: Family, length: number): Uint8Array {
  const header = new Uint8Array(RTMSG_LENGTH);
  header.set([MULTICAST_FAMILY[family], length, length]);
  return header;
}

function parseUse(attributes: Attributes): Pick<MfcEntry, 'packets' | 'bytes' | 'wrongIf' | 'lastUsedMs'> {
  const stats = readOptional(attributes, RTA.stats, (value) => fixedPart(value, 24, 'struct rta_mfc_stats'));
  const ticks = readOptional(attributes, RTA.expires, readU64);
  return {
    packets: stats?.getBigUint64(0, LITTLE_ENDIAN) ?? 0n,
    bytes: stats?.getBigUint64(8, LITTLE_ENDIAN) ?? 0n,
    wrongIf: stats?.getBigUint64(16, LITTLE_ENDIAN) ?? 0n,
    lastUsedMs: ticks === undefined ? undefined : Number(ticks) * CLOCK_TICK_MS,
  };
}

/** The struct rtnexthop of an RTA_MULTIPATH. */
function parseOifs(multipath: Uint8Array): readonly MfcOif[] {
  const oifs: MfcOif[] = [];
  let start = 0;
  while (start < multipath.length) {
    const left = multipath.subarray(start);
    const nexthop = fixedPart(left, RTNEXTHOP_LENGTH, 'struct rtnexthop');
    const length = nexthop.getUint16(0, LITTLE_ENDIAN);
    if (length < RTNEXTHOP_LENGTH || length > left.length) {
      throw new NetlinkFormatError(`a nexthop of ${length} bytes where ${left.length} are left`);
    }
    oifs.push({ ifindex: nexthop.getInt32(4, LITTLE_ENDIAN), ttlThreshold: nexthop.getUint8(3) });
    start += align(length);
  }
  return oifs;
}

// Interfaces: RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK (linux/if_link.h, `rtnl_fill_ifinfo`).
import type { Link } from '../../model/interface.js';
import { parseAttributes, readOptional, readRequired, readText, readU32, u32Attribute } from './attribute.js';
import { LITTLE_ENDIAN, fixedPart } from './bytes.js';
import { NLM_F, type NetlinkMessage, type NetlinkRequest, encodePayload } from './message.js';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;

/** Bytes of struct ifinfomsg. */
export const IFINFOMSG_LENGTH = 16;

/** What a message says of an interface. */
export type LinkNews =
  | { readonly event: 'link'; readonly link: Link }
  /** It was deleted or has moved to another network namespace. */
  | { readonly event: 'link-gone'; readonly ifindex: number };

/** Asks for all interfaces. */
export function linkDumpRequest(): NetlinkRequest {
  return {
    name: 'RTM_GETLINK',
    type: RTM_GETLINK,
    flags: NLM_F.dump,
    payload: encodePayload(new Uint8Array(IFINFOMSG_LENGTH), [u32Attribute(IFLA.extMask, RTEXT_FILTER_SKIP_STATS)]),
  };
}

/**
 * What the message says of an interface; undefined if it is no news of one. Messages of family AF_BRIDGE are about
 * bridge ports: their RTM_DELLINK means that the interface has left the bridge and is still there, and the kernel tells
 * what changed of the interface itself by a message of its own (NETDEV_CHANGEUPPER in `rtnetlink_event`). Wireless
 * extensions send an RTM_NEWLINK with IFLA_WIRELESS and nearly nothing else (`rtnetlink_ifinfo_prep`).
 *
 * @throws NetlinkFormatError
 */
export function parseLink(message: NetlinkMessage): LinkNews | undefined {
  if (message.type !== RTM_NEWLINK && message.type !== RTM_DELLINK) return undefined;
  const header = fixedPart(message.payload, IFINFOMSG_LENGTH, 'struct ifinfomsg');
  if (header.getUint8(0) !== AF_UNSPEC) return undefined;
  const ifindex = header.getInt32(4, LITTLE_ENDIAN);
  if (message.type === RTM_DELLINK) return { event: 'link-gone', ifindex };
  const attributes = parseAttributes(message.payload, IFINFOMSG_LENGTH);
  if (attributes.has(IFLA.wireless)) return undefined;
  const flags = header.getUint32(8, LITTLE_ENDIAN);
  const { kind, vrfTable } = readOptional(attributes, IFLA.linkInfo, readLinkInfo) ?? NO_LINK_INFO;
  const link: Link = {
    ifindex,
    name: readRequired(attributes, IFLA.name, readText, 'IFLA_IFNAME'),
    isUp: (flags & IFF.up) !== 0,
    isLoopback: (flags & IFF.loopback) !== 0,
    hasMulticast: (flags & IFF.multicast) !== 0,
    hasCarrier: (flags & IFF.lowerUp) !== 0,
    masterIfindex: readOptional(attributes, IFLA.master, readU32),
    kind,
    vrfTable,
    mtu: readRequired(attributes, IFLA.mtu, readU32, 'IFLA_MTU'),
  };
  return { event: 'link', link };
}

const AF_UNSPEC = 0;
const IFF = { up: 0x1, loopback: 0x8, multicast: 0x1000, lowerUp: 0x10000 } as const;
const IFLA = { name: 3, mtu: 4, master: 10, wireless: 11, linkInfo: 18, extMask: 29 } as const;
const IFLA_INFO = { kind: 1, data: 2 } as const;
/** In IFLA_INFO_DATA, whose attributes are others for each kind. */
const IFLA_VRF_TABLE = 1;

/** Leaves out counters, which are the larger part of a link's description. */
const RTEXT_FILTER_SKIP_STATS = 0x8;

/** What IFLA_LINKINFO says; hardware has none. */
type LinkInfo = Pick<Link, 'kind' | 'vrfTable'>;

const NO_LINK_INFO: LinkInfo = { kind: undefined, vrfTable: undefined };

function readLinkInfo(value: Uint8Array): LinkInfo {
  const attributes = parseAttributes(value);
  const kind = readOptional(attributes, IFLA_INFO.kind, readText);
  const vrfTable = kind === 'vrf' ? readOptional(attributes, IFLA_INFO.data, readVrfTable) : undefined;
  return { kind, vrfTable };
}

function readVrfTable(infoData: Uint8Array): number | undefined {
  return readOptional(parseAttributes(infoData), IFLA_VRF_TABLE, readU32);
}

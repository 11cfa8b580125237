// Settings of interfaces that the kernel tells of: RTM_NEWNETCONF, RTM_GETNETCONF (linux/netconf.h).
import type { Family } from '../../model/address.js';
import { parseAttributes, readOptional, readRequired, readS32 } from './attribute.js';
import { fixedPart } from './bytes.js';
import { UNICAST_FAMILY, unicastFamily } from './family.js';
import { NLM_F, type NetlinkMessage, type NetlinkRequest } from './message.js';

export const RTM_NEWNETCONF = 80;

/** Ifindex of `net.ipv4.conf.all` and its IPv6 twin, NETCONFA_IFINDEX_ALL. */
export const NETCONF_ALL = -1;

/** Ifindex of `net.ipv4.conf.default` and its IPv6 twin, NETCONFA_IFINDEX_DEFAULT. */
export const NETCONF_DEFAULT = -2;

/** Settings of an interface in one family. News has what changed only; the rest is undefined. */
export interface Netconf {
  readonly family: Family;
  /** Of an interface, NETCONF_ALL or NETCONF_DEFAULT. */
  readonly ifindex: number;
  /** Unicast forwarding. */
  readonly isForwarding: boolean | undefined;
  /** 0 off, 1 strict, 2 loose (RFC 3704); the larger of it and that of NETCONF_ALL holds. IPv6 has none. */
  readonly rpFilter: number | undefined;
  /** Of an interface, the number of its vifs; of NETCONF_ALL, the number of MRT sockets that own a table. */
  readonly mcForwarding: number | undefined;
}

/** What a message says of settings. An interface that goes takes them along without a word here. */
export interface NetconfNews {
  readonly event: 'netconf';
  readonly netconf: Netconf;
}

/** Asks for the settings of all interfaces, NETCONF_ALL and NETCONF_DEFAULT. */
export function netconfDumpRequest(family: Family): NetlinkRequest {
  const payload = new Uint8Array(NETCONFMSG_SPACE);
  payload[0] = UNICAST_FAMILY[family];
  return { name: 'RTM_GETNETCONF', type: RTM_GETNETCONF, flags: NLM_F.dump, payload };
}

/**
 * What the message says of settings; undefined if it is about something else.
 *
 * @throws NetlinkFormatError
 */
export function parseNetconf(message: NetlinkMessage): NetconfNews | undefined {
  if (message.type !== RTM_NEWNETCONF) return undefined;
  const family = unicastFamily(fixedPart(message.payload, NETCONFMSG_SPACE, 'struct netconfmsg').getUint8(0));
  if (family === undefined) return undefined;
  const attributes = parseAttributes(message.payload, NETCONFMSG_SPACE);
  const forwarding = readOptional(attributes, NETCONFA.forwarding, readS32);
  return {
    event: 'netconf',
    netconf: {
      family,
      ifindex: readRequired(attributes, NETCONFA.ifindex, readS32, 'NETCONFA_IFINDEX'),
      isForwarding: forwarding === undefined ? undefined : forwarding !== 0,
      rpFilter: readOptional(attributes, NETCONFA.rpFilter, readS32),
      mcForwarding: readOptional(attributes, NETCONFA.mcForwarding, readS32),
    },
  };
}

const RTM_GETNETCONF = 82;

/** struct netconfmsg is one byte; strict checking refuses a request without its padding. */
const NETCONFMSG_SPACE = 4;

const NETCONFA = { ifindex: 1, forwarding: 2, rpFilter: 3, mcForwarding: 4 } as const;

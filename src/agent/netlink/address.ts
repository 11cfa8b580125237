// Addresses of interfaces: RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR (linux/if_addr.h).
import { type Address, type Family, addressLength } from '../../model/address.js';
import { parseAttributes, readAddress } from './attribute.js';
import { LITTLE_ENDIAN, NetlinkFormatError, fixedPart } from './bytes.js';
import { UNICAST_FAMILY, unicastFamily } from './family.js';
import { NLM_F, type NetlinkMessage, type NetlinkRequest } from './message.js';

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;

/** How far an address is valid, RT_SCOPE_*; `other` for numbers that only local convention gives a meaning. */
export type AddressScope = 'global' | 'site' | 'link' | 'host' | 'other';

/** An address that an interface has. */
export interface InterfaceAddress {
  readonly ifindex: number;
  /** The interface's own, also where it has a peer. */
  readonly address: Address;
  /** Of the network, or of the peer's where there is one. */
  readonly prefixLength: number;
  readonly scope: AddressScope;
  /** It can be sent from: neither still being looked for elsewhere nor found there (RFC 4862, 5.4). */
  readonly isUsable: boolean;
}

/** What a message says of an address. */
export interface AddressNews {
  readonly event: 'address' | 'address-gone';
  readonly address: InterfaceAddress;
}

/** Asks for the addresses of all interfaces. */
export function addressDumpRequest(family: Family): NetlinkRequest {
  const payload = new Uint8Array(IFADDRMSG_LENGTH);
  payload[0] = UNICAST_FAMILY[family];
  return { name: 'RTM_GETADDR', type: RTM_GETADDR, flags: NLM_F.dump, payload };
}

/**
 * What the message says of an address; undefined if it is about something else.
 *
 * @throws NetlinkFormatError
 */
export function parseInterfaceAddress(message: NetlinkMessage): AddressNews | undefined {
  if (message.type !== RTM_NEWADDR && message.type !== RTM_DELADDR) return undefined;
  const header = fixedPart(message.payload, IFADDRMSG_LENGTH, 'struct ifaddrmsg');
  const family = unicastFamily(header.getUint8(0));
  if (family === undefined) return undefined;
  const prefixLength = header.getUint8(1);
  if (prefixLength > addressLength(family)) {
    throw new NetlinkFormatError(`a prefix length of ${prefixLength} in ${family}`);
  }
  const attributes = parseAttributes(message.payload, IFADDRMSG_LENGTH);
  // With a peer IFA_ADDRESS is the peer's; without one IPv6 has no IFA_LOCAL.
  const value = attributes.get(IFA.local) ?? attributes.get(IFA.address);
  if (value === undefined) throw new NetlinkFormatError('IFA_LOCAL and IFA_ADDRESS are missing');
  return {
    event: message.type === RTM_NEWADDR ? 'address' : 'address-gone',
    address: {
      ifindex: header.getUint32(4, LITTLE_ENDIAN),
      address: readAddress(value, family),
      prefixLength,
      scope: SCOPES.get(header.getUint8(3)) ?? 'other',
      isUsable: (header.getUint8(2) & (IFA_F.tentative | IFA_F.dadFailed)) === 0,
    },
  };
}

const RTM_GETADDR = 22;
const IFADDRMSG_LENGTH = 8;
const IFA_F = { tentative: 0x40, dadFailed: 0x08 } as const;
const IFA = { address: 1, local: 2 } as const;
const SCOPES: ReadonlyMap<number, AddressScope> = new Map([
  [0, 'global'],
  [200, 'site'],
  [253, 'link'],
  [254, 'host'],
]);

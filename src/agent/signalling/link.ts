// An interface as the protocols see it, and the address that they may send from.
import { type Address, type Family, holds, parseAddress, parsePrefix } from '../../model/address.js';

/** An interface on which a protocol is wanted. */
export interface SignallingLink {
  readonly name: string;
  readonly ifindex: number;
  /** Switched on; without a carrier nothing is lost by talking. */
  readonly isUp: boolean;
  /** Its usable addresses of both families, the kernel's order: primary ones first. */
  readonly addresses: readonly Address[];
}

/** 0.0.0.0: a query from it counts in no election, and passes rp_filter (RFC 4541, 2.1.1). */
export const UNSPECIFIED_IPV4: Address = parseAddress('0.0.0.0');

/** An address that every link has: of IPv6, where messages between neighbours come from (RFC 4291, 2.5.6). */
const LINK_LOCAL = parsePrefix('fe80::/10');

export function isLinkLocalAddress(address: Address): boolean {
  return holds(LINK_LOCAL, address);
}

/**
 * The source of messages on the interface: its first address of IPv4, its own link-local of IPv6; never one of another
 * interface. Undefined if it has none.
 */
export function sourceOn(link: SignallingLink, family: Family): Address | undefined {
  return link.addresses.find(
    (address) => address.family === family && (family === 'ipv4' || isLinkLocalAddress(address)),
  );
}

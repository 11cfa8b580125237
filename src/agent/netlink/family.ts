// Numbers by which rtnetlink knows the families.
import type { Family } from '../../model/address.js';

/** AF_INET, AF_INET6. */
export const UNICAST_FAMILY: Readonly<Record<Family, number>> = { ipv4: 2, ipv6: 10 };

/** RTNL_FAMILY_IPMR, RTNL_FAMILY_IP6MR: multicast routes and rules are families of their own. */
export const MULTICAST_FAMILY: Readonly<Record<Family, number>> = { ipv4: 128, ipv6: 129 };

/** The family of AF_INET or AF_INET6; undefined for any other number. */
export function unicastFamily(number: number): Family | undefined {
  return number === UNICAST_FAMILY.ipv4 ? 'ipv4' : number === UNICAST_FAMILY.ipv6 ? 'ipv6' : undefined;
}

/** The family of RTNL_FAMILY_IPMR or RTNL_FAMILY_IP6MR; undefined for any other number. */
export function multicastFamily(number: number): Family | undefined {
  return number === MULTICAST_FAMILY.ipv4 ? 'ipv4' : number === MULTICAST_FAMILY.ipv6 ? 'ipv6' : undefined;
}

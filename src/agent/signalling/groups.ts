// The well-known groups of routers and switches.
import { type Address, type Family, parseAddress } from '../../model/address.js';

/** Every host and router: general queries go there (RFC 3376, 4.1.12; RFC 3810, 5.1.15). */
export const ALL_NODES: Readonly<Record<Family, Address>> = {
  ipv4: parseAddress('224.0.0.1'),
  ipv6: parseAddress('ff02::1'),
};

/** Every router: solicitations go there (RFC 4286, 4). */
export const ALL_ROUTERS: Readonly<Record<Family, Address>> = {
  ipv4: parseAddress('224.0.0.2'),
  ipv6: parseAddress('ff02::2'),
};

/** Every snooping switch: advertisements and terminations go there (RFC 4286, 3 and 5). */
export const ALL_SNOOPERS: Readonly<Record<Family, Address>> = {
  ipv4: parseAddress('224.0.0.106'),
  ipv6: parseAddress('ff02::6a'),
};

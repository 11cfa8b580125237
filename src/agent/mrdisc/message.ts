// The messages of Multicast Router Discovery as bytes: RFC 4286, sections 3.2, 4.1 and 5.1.
import type { Family } from '../../model/address.js';
import { internetChecksum } from '../signalling/checksum.js';

/** Types of IGMP and of ICMPv6. */
export const ADVERTISEMENT_TYPE: Readonly<Record<Family, number>> = { ipv4: 0x30, ipv6: 151 };
export const SOLICITATION_TYPE: Readonly<Record<Family, number>> = { ipv4: 0x31, ipv6: 152 };
export const TERMINATION_TYPE: Readonly<Record<Family, number>> = { ipv4: 0x32, ipv6: 153 };

/** What an advertisement says. */
export interface Advertisement {
  /** Seconds between advertisements. */
  readonly intervalS: number;
  /** Query Interval of the router's IGMP or MLD on the link, in seconds; 0: it does not query. */
  readonly queryIntervalS: number;
  /** Its Robustness Variable; 0: it does not query. */
  readonly robustness: number;
}

/** Bytes of a solicitation and of a termination. */
const SHORT_LENGTH = 4;

/** Messages of IPv6 are without their checksum. */
export function encodeAdvertisement(family: Family, advertisement: Advertisement): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, ADVERTISEMENT_TYPE[family]);
  view.setUint8(1, advertisement.intervalS);
  view.setUint16(4, advertisement.queryIntervalS);
  view.setUint16(6, advertisement.robustness);
  return withChecksum(family, bytes);
}

export function encodeTermination(family: Family): Uint8Array {
  const bytes = new Uint8Array(SHORT_LENGTH);
  bytes[0] = TERMINATION_TYPE[family];
  return withChecksum(family, bytes);
}

/** Whether it is a solicitation, and whole. */
export function isSolicitation(family: Family, bytes: Uint8Array): boolean {
  if (bytes.length < SHORT_LENGTH || bytes[0] !== SOLICITATION_TYPE[family]) return false;
  return family === 'ipv6' || internetChecksum(bytes) === 0;
}

function withChecksum(family: Family, bytes: Uint8Array): Uint8Array {
  if (family === 'ipv4') new DataView(bytes.buffer).setUint16(2, internetChecksum(bytes));
  return bytes;
}

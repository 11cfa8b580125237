// An IPv4 packet with its header, for what no raw socket can send: one whose source is 0.0.0.0.
import type { Address } from '../../model/address.js';
import { internetChecksum } from './checksum.js';

/** RFC 2113: routers look at the packet though it is not for them. */
const ROUTER_ALERT = [0x94, 0x04, 0x00, 0x00];
const HEADER_LENGTH = 20 + ROUTER_ALERT.length;
const PROTOCOL_IGMP = 2;
/** Precedence Internetwork Control (RFC 3376, 4). */
const TOS_INTERNETWORK_CONTROL = 0xc0;

/** An IGMP message with TTL 1 and the option router alert. */
export function encodeIgmpPacket(source: Address, destination: Address, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(HEADER_LENGTH + payload.length);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x40 | (HEADER_LENGTH / 4));
  view.setUint8(1, TOS_INTERNETWORK_CONTROL);
  view.setUint16(2, packet.length);
  // Don't fragment: then the identification may stay 0 (RFC 6864, 4.1).
  view.setUint16(6, 0x4000);
  view.setUint8(8, 1);
  view.setUint8(9, PROTOCOL_IGMP);
  view.setUint32(12, source.words[0] ?? 0);
  view.setUint32(16, destination.words[0] ?? 0);
  packet.set(ROUTER_ALERT, 20);
  view.setUint16(10, internetChecksum(packet.subarray(0, HEADER_LENGTH)));
  packet.set(payload, HEADER_LENGTH);
  return packet;
}

/** Where Ethernet takes packets to an IPv4 group: its last 23 bits behind a fixed beginning (RFC 1112, 6.4). */
export function ethernetGroup(group: Address): Uint8Array {
  const word = group.words[0] ?? 0;
  return Uint8Array.of(0x01, 0x00, 0x5e, (word >>> 16) & 0x7f, (word >>> 8) & 0xff, word & 0xff);
}

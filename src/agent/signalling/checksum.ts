// The checksum of the Internet (RFC 1071), which IPv4 and IGMP carry; that of ICMPv6 is the kernel's work (RFC 3542, 3.1).

/** Over all bytes, an odd last one with a zero behind it; over a packet with a right checksum in it, it is 0. */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

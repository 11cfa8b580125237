"""Tells of every IGMP and MLD message that says that nobody listens to a group any more, one line each, until it is killed.

membership-sniffer.py INTERFACE             prints `ready` first, then `leave PROTOCOL GROUP`
membership-sniffer.py INTERFACE --joins     also `join PROTOCOL GROUP`, and `join PROTOCOL GROUP SOURCE` for each source
"""
import socket
import struct
import sys

ETH_P_ALL = 3
IGMP_V2_LEAVE, IGMP_V3_REPORT = 0x17, 0x22
MLD_V1_DONE, MLD_V2_REPORT = 132, 143
# Types of group records (RFC 3376 section 4.2.12, RFC 3810 section 5.2.12).
IS_INCLUDE, IS_EXCLUDE, CHANGE_TO_INCLUDE, CHANGE_TO_EXCLUDE, ALLOW_NEW_SOURCES, BLOCK_OLD_SOURCES = 1, 2, 3, 4, 5, 6


def tell(word, protocol, *addresses):
    family = socket.AF_INET if len(addresses[0]) == 4 else socket.AF_INET6
    print(word, protocol, *(socket.inet_ntop(family, each) for each in addresses), flush=True)


def leave(protocol, address):
    tell("leave", protocol, address)


def join(protocol, kind, group, sources):
    """Every source that is not among those of EXCLUDE, which is none here; or the sources of INCLUDE."""
    if kind in (IS_EXCLUDE, CHANGE_TO_EXCLUDE):
        tell("join", protocol, group)
    elif kind in (IS_INCLUDE, CHANGE_TO_INCLUDE, ALLOW_NEW_SOURCES):
        for source in sources:
            tell("join", protocol, group, source)


def records(protocol, body, address_bytes):
    """The records of a report of version 3 (MLD: 2): type, group, number of sources."""
    (count,) = struct.unpack_from("!H", body, 6)
    at = 8
    for _ in range(count):
        kind, auxiliary, sources = struct.unpack_from("!BBH", body, at)
        address = body[at + 4 : at + 4 + address_bytes]
        # With sources, a change to include begins to listen to these.
        if (kind == CHANGE_TO_INCLUDE and sources == 0) or kind == BLOCK_OLD_SOURCES:
            leave(protocol, address)
        if "--joins" in sys.argv:
            first = at + 4 + address_bytes
            starts = range(first, first + sources * address_bytes, address_bytes)
            join(protocol, kind, address, [body[start : start + address_bytes] for start in starts])
        at += 4 + address_bytes * (1 + sources) + 4 * auxiliary


def ipv4(packet):
    if packet[9] != socket.IPPROTO_IGMP:
        return
    body = packet[(packet[0] & 15) * 4 :]
    if body[0] == IGMP_V2_LEAVE:
        leave("igmp", body[4:8])
    elif body[0] == IGMP_V3_REPORT:
        records("igmp", body, 4)


def ipv6(packet):
    following, at = packet[6], 40
    if following == socket.IPPROTO_HOPOPTS:
        following, at = packet[40], 40 + 8 * (packet[41] + 1)
    if following != socket.IPPROTO_ICMPV6:
        return
    body = packet[at:]
    if body[0] == MLD_V1_DONE:
        leave("mld", body[8:24])
    elif body[0] == MLD_V2_REPORT:
        records("mld", body, 16)


def main():
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    sniffer.bind((sys.argv[1], ETH_P_ALL))
    print("ready", flush=True)
    while True:
        packet, (_, protocol, *_) = sniffer.recvfrom(65535)
        if protocol == 0x0800:
            ipv4(packet)
        elif protocol == 0x86DD:
            ipv6(packet)


main()

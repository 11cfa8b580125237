"""A host on a link, for test/support/link-host.ts: it sees every message of IGMP, MLD and router discovery and every UDP
datagram to a group that comes in, and sends what it is told to.

link-host.py INTERFACE     prints `{"kind": "ready"}` first

Each line of standard input is a command in JSON, answered by `{"kind": "done"}` in the order of what is sent.
"""

import json
import select
import socket
import struct
import sys

ETH_P_ALL = 0x0003
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD
PACKET_OUTGOING = 4
ICMPV6_TYPES = (130, 131, 132, 143, 151, 152, 153)
ROUTER_ALERT_V4 = bytes([0x94, 4, 0, 0])
ROUTER_ALERT_V6 = bytes([5, 2, 0, 0])
PORT = 5003


def tell(**values):
    print(json.dumps(values), flush=True)


def ones(data):
    """The sum of RFC 1071: 0xffff over what holds a right checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo(source, destination, length):
    return source + destination + struct.pack("!II", length, socket.IPPROTO_ICMPV6)


def see_message(family, source, destination, hop_limit, alert, valid, body, address):
    tell(
        kind="message",
        source=socket.inet_ntop(family, source),
        destination=socket.inet_ntop(family, destination),
        hopLimit=hop_limit,
        routerAlert=alert,
        isValid=valid,
        type=body[0],
        payload=body.hex(),
        fromInterface=address.hex(),
    )


def see_datagram(family, destination, body):
    port, length = struct.unpack_from("!HH", body, 2)
    if port == PORT:
        tell(kind="datagram", group=socket.inet_ntop(family, destination), text=body[8:length].decode())


def see_ipv4(packet, address):
    header = packet[: (packet[0] & 15) * 4]
    body = packet[len(header) : struct.unpack_from("!H", packet, 2)[0]]
    source, destination = packet[12:16], packet[16:20]
    if packet[9] == socket.IPPROTO_IGMP:
        valid = ones(header) == 0xFFFF and ones(body) == 0xFFFF
        alert = ROUTER_ALERT_V4 in header[20:]
        see_message(socket.AF_INET, source, destination, packet[8], alert, valid, body, address)
    elif packet[9] == socket.IPPROTO_UDP and destination[0] >> 4 == 14:
        see_datagram(socket.AF_INET, destination, body)


def see_ipv6(packet, address):
    following, at, alert = packet[6], 40, False
    source, destination = packet[8:24], packet[24:40]
    if following == socket.IPPROTO_HOPOPTS:
        end = 48 + 8 * packet[41]
        alert = ROUTER_ALERT_V6 in packet[42:end]
        following, at = packet[40], end
    body = packet[at : 40 + struct.unpack_from("!H", packet, 4)[0]]
    if following == socket.IPPROTO_ICMPV6 and body[0] in ICMPV6_TYPES:
        valid = ones(pseudo(source, destination, len(body)) + body) == 0xFFFF
        see_message(socket.AF_INET6, source, destination, packet[7], alert, valid, body, address)
    elif following == socket.IPPROTO_UDP and destination[0] == 0xFF:
        see_datagram(socket.AF_INET6, destination, body)


def message_of_ipv4(command, payload):
    source, destination = (socket.inet_aton(command[name]) for name in ("source", "destination"))
    fields = [0x46, 0xC0, 24 + len(payload), 0, 0, command["hopLimit"], socket.IPPROTO_IGMP, 0, source, destination]
    header = struct.pack("!BBHHHBBH4s4s", *fields) + ROUTER_ALERT_V4
    fields[7] = ~ones(header) & 0xFFFF
    return struct.pack("!BBHHHBBH4s4s", *fields) + ROUTER_ALERT_V4 + payload


def message_of_ipv6(command, payload):
    source, destination = (socket.inet_pton(socket.AF_INET6, command[name]) for name in ("source", "destination"))
    checksum = ~ones(pseudo(source, destination, len(payload)) + payload) & 0xFFFF
    body = bytes([socket.IPPROTO_ICMPV6, 0]) + ROUTER_ALERT_V6 + bytes([1, 0])
    body += payload[:2] + struct.pack("!H", checksum) + payload[4:]
    header = struct.pack("!IHBB", 0x60000000, len(body), socket.IPPROTO_HOPOPTS, command["hopLimit"])
    return header + source + destination + body


class Host:
    def __init__(self, interface):
        self.interface = interface
        self.ifindex = socket.if_nametoindex(interface)
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.wire.bind((interface, ETH_P_ALL))
        self.joins = []

    def receive(self):
        packet, (_, protocol, direction, _, address) = self.wire.recvfrom(65536)
        if direction == PACKET_OUTGOING:
            return
        if protocol == ETH_P_IP:
            see_ipv4(packet, address)
        elif protocol == ETH_P_IPV6:
            see_ipv6(packet, address)

    def udp(self, group):
        family = socket.AF_INET6 if ":" in group else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET:
            chosen = struct.pack("=4s4si", bytes(4), bytes(4), self.ifindex)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, chosen)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self.ifindex)
        return sock

    def obey(self, command):
        getattr(self, f"do_{command['do']}")(command)
        tell(kind="done")

    def do_join(self, command):
        group = command["group"]
        sock = self.udp(group)
        if ":" in group:
            request = socket.inet_pton(socket.AF_INET6, group) + struct.pack("=i", self.ifindex)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        else:
            request = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), self.ifindex)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        self.joins.append(sock)

    def do_datagrams(self, command):
        with self.udp(command["group"]) as sock:
            for text in command["texts"]:
                sock.sendto(text.encode(), (command["group"], PORT))

    def do_message(self, command):
        payload = bytes.fromhex(command["payload"])
        if ":" in command["source"]:
            packet, protocol = message_of_ipv6(command, payload), ETH_P_IPV6
            group = b"\x33\x33" + socket.inet_pton(socket.AF_INET6, command["destination"])[12:]
        else:
            packet, protocol = message_of_ipv4(command, payload), ETH_P_IP
            low = socket.inet_aton(command["destination"])[1:]
            group = b"\x01\x00\x5e" + bytes([low[0] & 0x7F]) + low[1:]
        self.wire.sendto(packet, (self.interface, protocol, 0, 0, group))


def main():
    host = Host(sys.argv[1])
    tell(kind="ready")
    while True:
        readable, _, _ = select.select([host.wire, sys.stdin], [], [])
        if host.wire in readable:
            host.receive()
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            host.obey(json.loads(line))


if __name__ == "__main__":
    main()

"""Injects single packets into a router and tells where they leave it, for test/support/packets.ts.

Each line of standard input is a command in JSON, each line of standard output its answer. One process serves all
links: a socket stays in the network namespace in which it was opened.

Nothing here waits for a time to pass. A frame of an own ethertype follows the packets on each link: when the router's
end has seen it, the router has done with the packets before it. Then a second one is sent the other way, from each
processor, because queues between the ends of a veth pair (`netif_rx`) are per processor: when the host's end has seen
them all, it has seen whatever the router had sent.
"""

import ctypes
import errno
import fcntl
import json
import os
import select
import socket
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCGIFINDEX = 0x8933
IFF_UP_RUNNING = 0x1 | 0x40
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_IGNORE_OUTGOING = 23
SO_ATTACH_FILTER = 26
SO_RCVBUFFORCE = 33
ETH_P_ALL = 0x0003
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD
# IEEE 802 local experimental ethertype 1.
ETH_P_MARKER = 0x88B5

MAGIC = b"mcpk"
PORT = 5002
MARKER_LIMIT_S = 10
RECEIVE_BUFFER = 16 * 1024 * 1024
SOURCE_MAC = bytes.fromhex("020000000001")

libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace_fd):
    if libc.setns(namespace_fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class End:
    """A packet socket on an interface, which may go and come back."""

    def __init__(self, path, interface, only_ethertype=None):
        self.interface = interface
        self.ifindex = 0
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(path, os.O_RDONLY)
        try:
            enter(there)
            # Protocol 0: nothing is received before the socket is bound to its interface.
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        finally:
            enter(home)
            os.close(there)
            os.close(home)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        if only_ethertype is not None:
            attach_filter(self.socket, only_ethertype)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:  # rootless: no more than net.core.rmem_max
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def is_running(self):
        """Whether packets pass; binds the socket again when the interface is a new one of the name."""
        request = struct.pack("16sI12x", self.interface.encode(), 0)
        try:
            ifindex = struct.unpack_from("I", fcntl.ioctl(self.socket, SIOCGIFINDEX, request), 16)[0]
            flags = struct.unpack_from("H", fcntl.ioctl(self.socket, SIOCGIFFLAGS, request), 16)[0]
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise
        if flags & IFF_UP_RUNNING != IFF_UP_RUNNING:
            return False
        if ifindex != self.ifindex:
            self.socket.bind((self.interface, ETH_P_ALL))
            self.ifindex = ifindex
        return True

    def frames(self):
        while True:
            try:
                yield self.socket.recv(65536)
            except BlockingIOError:
                return
            except OSError as error:
                self.forgive_down(error)

    def forget(self):
        """Drops what came while the link was not running: it is no exchange's."""
        for _ in self.frames():
            pass

    def send(self, frame):
        try:
            self.socket.send(frame)
        except OSError as error:
            self.forgive_down(error)
            self.socket.send(frame)

    def forgive_down(self, error):
        """The kernel tells a socket once, by whatever it does next, that its interface went down or was deleted."""
        if error.errno not in (errno.ENETDOWN, errno.ENODEV, errno.ENXIO):
            raise error

    def drops(self):
        """Packets that found the socket full, since the last call."""
        return struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]


def attach_filter(packet_socket, ethertype):
    """A filter and ETH_P_ALL: a socket for one ethertype sees nothing on the port of a bridge."""
    instructions = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in [
            (0x28, 0, 0, 12),  # ldh [12]
            (0x15, 0, 1, ethertype),  # jeq ethertype, 0, 1
            (0x06, 0, 0, 0xFFFFFFFF),  # ret all
            (0x06, 0, 0, 0),  # ret 0
        ]
    )
    code = ctypes.create_string_buffer(instructions)
    program = struct.pack("HL", len(instructions) // 8, ctypes.addressof(code))
    packet_socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


class Link:
    def __init__(self, config):
        self.name = config["name"]
        self.host = End(config["hostNamespace"], config["hostInterface"])
        self.router = End(config["routerNamespace"], config["routerInterface"], ETH_P_MARKER)

    def is_running(self):
        return self.host.is_running() and self.router.is_running()


class Exchange:
    def __init__(self, links):
        self.links = {link.name: link for link in links}
        self.processors = sorted(os.sched_getaffinity(0))
        self.token = 0
        self.running = []
        self.seen = []
        # All frames are injected on one processor, so that they stay in order.
        os.sched_setaffinity(0, {self.processors[0]})

    def send(self, packets):
        """Injects packets; when it returns, the router has done with them. Those for links that are down are lost."""
        running = [link for link in self.links.values() if link.is_running()]
        for link in running:
            if link not in self.running:
                link.host.forget()
        self.running = running
        for packet in packets:
            link = self.links[packet["iif"]]
            if link in self.running:
                link.host.send(packet_frame(packet))
        self.token += 1
        for link in self.running:
            link.host.send(marker_frame(self.token, 0))
        await_markers([link.router for link in self.running], self.token, 1)
        return {}

    def flush(self):
        """What has left the router since the last flush."""
        self.token += 1
        for processor in self.processors:
            os.sched_setaffinity(0, {processor})
            for link in self.running:
                link.router.send(marker_frame(self.token, processor))
        os.sched_setaffinity(0, {self.processors[0]})
        ends = {link.host: link.name for link in self.running}

        def on_packet(end, frame):
            packet = parse_packet(frame)
            if packet is not None:
                self.seen.append({"interface": ends[end], **packet})

        await_markers(list(ends), self.token, len(self.processors), on_packet)
        drops = sum(end.drops() for end in ends)
        if drops > 0:
            raise RuntimeError(f"{drops} packets found the receive buffer full: use smaller batches")
        seen, self.seen = self.seen, []
        return {"seen": seen}


def await_markers(ends, token, count, on_packet=None):
    """Reads from all ends until each has seen that many markers of the token."""
    missing = {end: count for end in ends}
    limit = time.monotonic() + MARKER_LIMIT_S
    while missing:
        remaining = limit - time.monotonic()
        if remaining <= 0:
            raise RuntimeError(f"no marker on {', '.join(end.interface for end in missing)} in {MARKER_LIMIT_S} s")
        ready, _, _ = select.select([end.socket for end in missing], [], [], remaining)
        for end in [end for end in missing if end.socket in ready]:
            for frame in end.frames():
                if struct.unpack_from("!H", frame, 12)[0] == ETH_P_MARKER:
                    if struct.unpack_from("!I", frame, 14)[0] == token:
                        missing[end] -= 1
                elif on_packet is not None:
                    on_packet(end, frame)
            if missing[end] == 0:
                del missing[end]


def marker_frame(token, processor):
    # 46 bytes: the smallest payload of an Ethernet frame.
    return b"\xff" * 6 + SOURCE_MAC + struct.pack("!HII38x", ETH_P_MARKER, token, processor)


def packet_frame(packet):
    family = socket.AF_INET6 if ":" in packet["group"] else socket.AF_INET
    source = socket.inet_pton(family, packet["source"])
    group = socket.inet_pton(family, packet["group"])
    payload = MAGIC + struct.pack("!Q", packet["id"])
    length = 8 + len(payload)
    pseudo_header = source + group + struct.pack("!HH", socket.IPPROTO_UDP, length)
    header = struct.pack("!HHHH", PORT, PORT, length, 0)
    # RFC 768: a sum of zero is sent as all ones.
    udp = header[:6] + struct.pack("!H", checksum(pseudo_header + header + payload) or 0xFFFF) + payload
    if family == socket.AF_INET:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, packet["ttl"], socket.IPPROTO_UDP, 0) + source + group
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        # RFC 1112 section 6.4: the low 23 bits of the group.
        mac = b"\x01\x00\x5e" + bytes([group[1] & 0x7F]) + group[2:]
        ethertype = ETH_P_IP
    else:
        ip = struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_UDP, packet["ttl"]) + source + group
        # RFC 2464 section 7: the last four octets of the group.
        mac = b"\x33\x33" + group[12:]
        ethertype = ETH_P_IPV6
    return mac + SOURCE_MAC + struct.pack("!H", ethertype) + ip + udp


def parse_packet(frame):
    """Undefined for what packet_frame has not made."""
    ethertype = struct.unpack_from("!H", frame, 12)[0]
    if ethertype == ETH_P_IP and len(frame) >= 54:
        family, protocol, ttl, addresses, udp = socket.AF_INET, frame[23], frame[22], frame[26:34], 34
    elif ethertype == ETH_P_IPV6 and len(frame) >= 74:
        family, protocol, ttl, addresses, udp = socket.AF_INET6, frame[20], frame[21], frame[22:54], 54
    else:
        return None
    if protocol != socket.IPPROTO_UDP or frame[udp + 8 : udp + 12] != MAGIC:
        return None
    half = len(addresses) // 2
    return {
        "id": struct.unpack_from("!Q", frame, udp + 12)[0],
        "source": socket.inet_ntop(family, addresses[:half]),
        "group": socket.inet_ntop(family, addresses[half:]),
        "ttl": ttl,
    }


def checksum(data):
    """RFC 1071."""
    if len(data) % 2 == 1:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main():
    exchange = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            match command["do"]:
                case "open":
                    exchange = Exchange([Link(config) for config in command["links"]])
                    answer = {}
                case "send":
                    answer = exchange.send(command["packets"])
                case "flush":
                    answer = exchange.flush()
        except (OSError, RuntimeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()

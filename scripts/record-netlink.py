#!/usr/bin/env python3
"""Records what the kernel says over rtnetlink as fixtures of the codec's tests.

    unshare --net --mount scripts/record-netlink.py test/fixtures/netlink

It needs root in a network namespace of its own, which it refuses to share and which vanishes with it. Each file holds
the datagrams of one question or of one kind of news: lines of hex, an empty line between datagrams, `#` for comments.
Interface indices are set by hand, so that a new recording says the same about the same things. The byte order is the
machine's; the files in the repository are little-endian.
"""

import platform
import socket
import struct
import subprocess
import sys
from pathlib import Path

NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK, NETLINK_ADD_MEMBERSHIP = 11, 10, 12, 1
SOL_NETLINK = 270
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, ACK, DUMP, EXCL_CREATE = 0x1, 0x4, 0x300, 0x600
GETLINK, GETADDR, GETROUTE, NEWRULE, GETRULE, GETNETCONF = 18, 22, 26, 32, 34, 82
IPMR, IP6MR = 128, 129
GROUP_LINK, GROUPS_ADDRESS, GROUPS_MROUTE, GROUPS_RULE, GROUPS_NETCONF = 1, (5, 9), (6, 10), (8, 19), (24, 25)
MRT_INIT, MRT_ADD_VIF, MRT_ADD_MFC, MRT_DEL_MFC, MRT_TABLE, MRT_ADD_MFC_PROXY = 200, 202, 204, 205, 209, 210
VIFF_USE_IFINDEX = 8
TABLE, MISSING_TABLE = 123, 124
ETH0, ETH1, ETH2, PEER0, BR0 = 10, 11, 12, 20, 30


def main(folder):
    names = [name for _, name in socket.if_nameindex()]
    if 'eth0' in names:
        sys.exit('record-netlink: not in a network namespace of its own; see --help in the head of the file')
    prepare()
    record_links(folder)
    record_addresses(folder)
    record_netconf(folder)
    record_mrules(folder)
    record_mfc(folder)


def prepare():
    """lo, three veth pairs and a bridge."""
    for setting in ('ipv4/conf/all/rp_filter', 'ipv4/conf/default/rp_filter'):
        Path('/proc/sys/net', setting).write_text('0')
    run('link set lo up')
    for number, index in enumerate((ETH0, ETH1, ETH2)):
        run(f'link add name eth{number} index {index} type veth peer name peer{number} index {PEER0 + number}')
        run(f'link set eth{number} addrgenmode none')
        run(f'link set peer{number} addrgenmode none')
        run(f'link set eth{number} up')
        run(f'link set peer{number} up')
    run(f'link add name br0 index {BR0} type bridge')


def record_links(folder):
    run('link set peer2 master br0')
    write(folder, 'link-dump', 'lo, three veth pairs, one in a bridge, the bridge', ask(GETLINK, DUMP, bytes(16)))
    run('link set peer2 nomaster')

    with Listener(GROUP_LINK) as listener:
        run('link add name veth8 index 80 mtu 1400 type veth peer name veth9 index 90')
        run('link del veth8')
        write(folder, 'link-add-delete', 'a veth pair comes and goes', listener.drain())
    with Listener(GROUP_LINK) as listener:
        run('link set br0 name br1')
        run('link set br1 name br0')
        write(folder, 'link-rename', 'br0 to br1 and back', listener.drain())
    with Listener(GROUP_LINK) as listener:
        run('link set peer2 master br0')
        run('link set peer2 nomaster')
        write(folder, 'bridge-port', 'peer2 joins br0 and leaves it', listener.drain())


def record_addresses(folder):
    with Listener(*GROUPS_ADDRESS) as listener:
        run('addr add 10.0.0.1/24 dev eth0')
        run('addr add 10.8.0.1 peer 10.8.0.2/32 dev eth1')
        run('addr add 2001:db8::1/64 dev eth0 nodad')
        run('addr add fe80::1/64 dev eth0 nodad')
        run('addr del 10.8.0.1 peer 10.8.0.2/32 dev eth1')
        write(folder, 'address-changes', 'two IPv4, two IPv6 addresses come; one goes', listener.drain())
    write(folder, 'address-dump-ipv4', 'lo and eth0', ask(GETADDR, DUMP, struct.pack('=4BI', socket.AF_INET, 0, 0, 0, 0)))
    write(folder, 'address-dump-ipv6', 'lo and eth0', ask(GETADDR, DUMP, struct.pack('=4BI', socket.AF_INET6, 0, 0, 0, 0)))


def record_netconf(folder):
    for name, family in (('ipv4', socket.AF_INET), ('ipv6', socket.AF_INET6)):
        write(folder, f'netconf-dump-{name}', 'every interface, all, default', ask(GETNETCONF, DUMP, struct.pack('=B3x', family)))
    with Listener(*GROUPS_NETCONF) as listener:
        Path('/proc/sys/net/ipv4/conf/eth0/rp_filter').write_text('2')
        Path('/proc/sys/net/ipv4/conf/eth0/forwarding').write_text('1')
        Path('/proc/sys/net/ipv6/conf/eth1/forwarding').write_text('1')
        Path('/proc/sys/net/ipv4/conf/eth0/rp_filter').write_text('0')
        write(folder, 'netconf-changes', 'rp_filter and forwarding of eth0, forwarding (IPv6) of eth1', listener.drain())


def record_mrules(folder):
    with Listener(*GROUPS_RULE) as listener:
        for family in ('-4', '-6'):
            for rule in (
                f'iif eth0 table {TABLE} pref 4000 protocol 77',
                f'oif eth0 table {TABLE} pref 4000 protocol 77',
                f'iif gone0 table {TABLE} pref 4001',
                f'iif eth1 oif eth2 table {TABLE} pref 4002',
                f'fwmark 7 iif eth1 table {TABLE} pref 4003',
                f'table {TABLE} pref 4004',
                'iif eth1 prohibit pref 4005',
                'l3mdev pref 1000',
                f'not iif eth1 table {TABLE} pref 4006',
            ):
                run(f'{family} mrule add {rule}')
        run(f'rule add iif eth0 table {TABLE} pref 4000')
        run('-4 mrule del pref 4005')
        run('-6 mrule del pref 4005')
        write(folder, 'mrule-changes', 'rules of both families come, one unicast rule, two go', listener.drain())
    for name, family in (('ipv4', IPMR), ('ipv6', IP6MR)):
        write(folder, f'mrule-dump-{name}', 'plain, detached and odd rules', ask(GETRULE, DUMP, struct.pack('=B11x', family)))
    rule = struct.pack('=8BI', IPMR, 0, 0, 0, 0, 0, 0, 1, 0) + attribute(15, struct.pack('=I', TABLE))
    rule += attribute(6, struct.pack('=I', 4000)) + attribute(21, b'\x4d')
    again = ask(NEWRULE, ACK | EXCL_CREATE, rule + attribute(3, b'eth0\0'))
    write(folder, 'mrule-exists', 'the same rule once more', again)
    long_name = ask(NEWRULE, ACK | EXCL_CREATE, rule + attribute(3, b'a-name-that-is-too-long\0'))
    write(folder, 'mrule-refused', 'FRA_IIFNAME too long, capped ack', long_name)
    whole = ask(NEWRULE, ACK | EXCL_CREATE, rule + attribute(3, b'a-name-that-is-too-long\0'), is_capped=False)
    write(folder, 'mrule-refused-whole', 'the same with the request in the ack', whole)
    run(f'-4 mrule add iif eth2 table {TABLE} pref 4007')
    rule = struct.pack('=8BI', IPMR, 0, 0, 0, 0, 0, 0, 1, 0) + attribute(15, struct.pack('=I', TABLE))
    rule += attribute(6, struct.pack('=I', 4008)) + attribute(21, b'\x4d')
    write(folder, 'mrule-accepted', 'an ack without error', ask(NEWRULE, ACK | EXCL_CREATE, rule + attribute(17, b'eth2\0')))


def record_mfc(folder):
    with Listener(*GROUPS_MROUTE) as listener:
        ipv4, ipv6 = open_mrt(socket.AF_INET), open_mrt(socket.AF_INET6)
        for vif, ifindex in enumerate((ETH0, ETH1, ETH2)):
            ipv4.setsockopt(socket.IPPROTO_IP, MRT_ADD_VIF, struct.pack('=HBBIII', vif, VIFF_USE_IFINDEX, 1, 0, ifindex, 0))
            ipv6.setsockopt(socket.IPPROTO_IPV6, MRT_ADD_VIF, struct.pack('=HBBHxxI', vif, 0, 1, ifindex, 0))
        for put, source4, source6, group in (
            (MRT_ADD_MFC, '10.1.0.5', '2001:db8:1::5', 1),
            (MRT_ADD_MFC_PROXY, '0.0.0.0', '::', 2),
        ):
            oifs = {1: 1, 2: 8} if put == MRT_ADD_MFC else {0: 1, 1: 1, 2: 1}
            ipv4.setsockopt(socket.IPPROTO_IP, put, mfc_ipv4(source4, f'239.1.1.{group}', 0, oifs))
            ipv6.setsockopt(socket.IPPROTO_IPV6, put, mfc_ipv6(source6, f'ff1e::{group}', 0, oifs))
        ipv4.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC_PROXY, mfc_ipv4('0.0.0.0', '239.1.1.3', 31, {0: 1, 1: 1}))
        ipv4.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC, mfc_ipv4('10.1.0.6', '239.1.1.4', 0, {}))
        news = listener.drain()
        for frame in (
            frame_ipv4('10.1.0.5', '239.1.1.1'),
            frame_ipv6('2001:db8:1::5', 'ff1e::1'),
            frame_ipv4('10.1.0.9', '239.9.9.9'),
            frame_ipv6('2001:db8:1::9', 'ff1e::99'),
        ):
            send_frame('peer0', frame)
        news += [listener.wait(), listener.wait()]
        for name, family in (('ipv4', IPMR), ('ipv6', IP6MR)):
            what = '(S,G) with one packet, (*,G), unresolved' + (', (*,G) without iif, (S,G) without oifs' if family == IPMR else '')
            write(folder, f'mfc-dump-{name}', what, ask(GETROUTE, DUMP, route(family, attribute(15, struct.pack('=I', TABLE)))))
            missing = ask(GETROUTE, DUMP, route(family, attribute(15, struct.pack('=I', MISSING_TABLE))))
            write(folder, f'mfc-dump-missing-{name}', 'a table that was never opened', missing)
        ipv4.setsockopt(socket.IPPROTO_IP, MRT_DEL_MFC, mfc_ipv4('10.1.0.5', '239.1.1.1', 0, {}))
        ipv6.setsockopt(socket.IPPROTO_IPV6, MRT_DEL_MFC, mfc_ipv6('2001:db8:1::5', 'ff1e::1', 0, {}))
        write(folder, 'mfc-changes', 'entries of both families come, unresolved ones too; one each goes', news + listener.drain())
    write(folder, 'vif-dump', 'tables 123 and the default one', ask(GETLINK, DUMP, struct.pack('=B15x', IPMR)))


def run(command):
    subprocess.run(['ip', *command.split()], check=True)


def write(folder, name, what, datagrams):
    blocks = []
    for datagram in datagrams:
        text = datagram.hex()
        blocks.append('\n'.join(text[start : start + 96] for start in range(0, len(text), 96)))
    head = f'# {what}; Linux {platform.release().split("-")[0]}, {sys.byteorder}-endian, scripts/record-netlink.py'
    Path(folder, f'{name}.hex').write_text(head + '\n' + '\n\n'.join(blocks) + '\n')


def open_netlink(is_capped=True):
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    netlink.bind((4242, 0))
    for option in (NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK) + ((NETLINK_CAP_ACK,) if is_capped else ()):
        netlink.setsockopt(SOL_NETLINK, option, 1)
    netlink.settimeout(2)
    return netlink


def ask(kind, flags, payload, is_capped=True):
    """The datagrams of the answer, up to the ack or NLMSG_DONE."""
    with open_netlink(is_capped) as netlink:
        netlink.send(struct.pack('=IHHII', 16 + len(payload), kind, REQUEST | flags, 7, 0) + payload)
        datagrams = []
        while True:
            datagrams.append(netlink.recv(1 << 16))
            offset = 0
            while offset < len(datagrams[-1]):
                length, answer = struct.unpack_from('=IH', datagrams[-1], offset)
                if answer in (NLMSG_ERROR, NLMSG_DONE):
                    return datagrams
                offset += (length + 3) & ~3


class Listener:
    """News of some groups."""

    def __init__(self, *groups):
        self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self.netlink.bind((0, 0))
        for group in groups:
            self.netlink.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.netlink.close()

    def wait(self):
        self.netlink.settimeout(2)
        return self.netlink.recv(1 << 16)

    def drain(self):
        self.netlink.setblocking(False)
        datagrams = []
        while True:
            try:
                datagrams.append(self.netlink.recv(1 << 16))
            except BlockingIOError:
                return datagrams


def attribute(kind, value):
    return struct.pack('=HH', 4 + len(value), kind) + value + bytes(-len(value) % 4)


def route(family, attributes):
    return struct.pack('=B11x', family) + attributes


def open_mrt(family):
    protocol, level = (socket.IPPROTO_IGMP, socket.IPPROTO_IP) if family == socket.AF_INET else (socket.IPPROTO_ICMPV6, socket.IPPROTO_IPV6)
    mrt = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    mrt.setsockopt(level, MRT_TABLE, TABLE)
    mrt.setsockopt(level, MRT_INIT, 1)
    return mrt


def mfc_ipv4(source, group, parent, oifs):
    """struct mfcctl"""
    ttls = bytes(oifs.get(vif, 0) for vif in range(32))
    return socket.inet_aton(source) + socket.inet_aton(group) + struct.pack('=H32sxxIIIi', parent, ttls, 0, 0, 0, 0)


def mfc_ipv6(source, group, parent, oifs):
    """struct mf6cctl"""
    address = lambda text: struct.pack('=HHI16sI', socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, text), 0)
    return address(source) + address(group) + struct.pack('=Hxx32s', parent, sum(1 << vif for vif in oifs).to_bytes(32, sys.byteorder))


def frame_ipv4(source, group):
    header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 32, 0, 0, 16, 17, 0, socket.inet_aton(source), socket.inet_aton(group))
    total = sum(struct.unpack('!10H', header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack('!H', ~(total + (total >> 16)) & 0xFFFF) + header[12:]
    mac = b'\x01\x00\x5e' + bytes([header[17] & 0x7F]) + header[18:20]
    return mac + b'\x02\0\0\0\0\x01' + b'\x08\x00' + header + struct.pack('!HHHH4s', 5000, 5000, 12, 0, b'data')


def frame_ipv6(source, group):
    to = socket.inet_pton(socket.AF_INET6, group)
    header = struct.pack('!IHBB16s16s', 6 << 28, 12, 17, 16, socket.inet_pton(socket.AF_INET6, source), to)
    return b'\x33\x33' + to[12:] + b'\x02\0\0\0\0\x01' + b'\x86\xdd' + header + struct.pack('!HHHH4s', 5000, 5000, 12, 0, b'data')


def send_frame(interface, frame):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packet:
        packet.bind((interface, 0))
        packet.send(frame)


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])

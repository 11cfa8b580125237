"""Changes the forwarding cache of a table that another program owns, as a second routing program would by mistake.

  mroute-intruder.py TABLE delete SOURCE GROUP IIF_VIF
  mroute-intruder.py TABLE put SOURCE GROUP IIF_VIF OIF_VIF...

A socket with MRT_TABLE and without MRT_INIT does not own the table; with CAP_NET_ADMIN the kernel takes changes from it
all the same (`ip_mroute_setsockopt`). The source 0.0.0.0 or :: is a (*,G) entry.
"""

import socket
import struct
import sys

# linux/mroute.h: MRT_BASE 200; linux/mroute6.h has the same numbers.
MRT_ADD_MFC = 204
MRT_DEL_MFC = 205
MRT_TABLE = 209
MRT_ADD_MFC_PROXY = 210
MRT_DEL_MFC_PROXY = 211
MAXVIFS = 32


def ipv4_entry(source, group, iif, oifs):
    """struct mfcctl: a threshold for each vif, 0 where nothing leaves."""
    ttls = bytes(1 if vif in oifs else 0 for vif in range(MAXVIFS))
    return source + group + struct.pack("=H32s2xIIIi", iif, ttls, 0, 0, 0, 0)


def ipv6_entry(source, group, iif, oifs):
    """struct mf6cctl: two sockaddr_in6, the mif, and a set of 256 bits in 32-bit words."""
    address = lambda each: struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, each, 0)
    bits = sum(1 << vif for vif in oifs)
    return address(source) + address(group) + struct.pack("=H2xI28x", iif, bits)


def main():
    table, action, source_text, group_text, iif, *oifs = sys.argv[1:]
    is_ipv6 = ":" in group_text
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    level = socket.IPPROTO_IPV6 if is_ipv6 else socket.IPPROTO_IP
    source = socket.inet_pton(family, source_text)
    group = socket.inet_pton(family, group_text)
    protocol = socket.IPPROTO_ICMPV6 if is_ipv6 else socket.IPPROTO_IGMP
    with socket.socket(family, socket.SOCK_RAW, protocol) as mroute:
        mroute.setsockopt(level, MRT_TABLE, struct.pack("=I", int(table)))
        is_proxy = not any(source)
        options = {
            "put": MRT_ADD_MFC_PROXY if is_proxy else MRT_ADD_MFC,
            "delete": MRT_DEL_MFC_PROXY if is_proxy else MRT_DEL_MFC,
        }
        entry = ipv6_entry if is_ipv6 else ipv4_entry
        mroute.setsockopt(level, options[action], entry(source, group, int(iif), {int(vif) for vif in oifs}))


main()

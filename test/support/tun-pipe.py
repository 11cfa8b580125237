"""A tunnel of two tun devices: what one network namespace sends into its device comes out of that of the other.

tun-pipe.py INTERFACE NAMESPACE NAMESPACE       paths of namespaces; prints `ready` when both devices are there

The devices are down, without addresses, and go with this process.
"""

import ctypes
import fcntl
import os
import selectors
import struct
import sys

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
PACKET_MAX = 65536

libc = ctypes.CDLL(None, use_errno=True)


def open_device(name, path):
    namespace = os.open(path, os.O_RDONLY)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(namespace)
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def main():
    name, *paths = sys.argv[1:]
    one, other = (open_device(name, path) for path in paths)
    print("ready", flush=True)
    selector = selectors.DefaultSelector()
    selector.register(one, selectors.EVENT_READ, other)
    selector.register(other, selectors.EVENT_READ, one)
    while True:
        for key, _ in selector.select():
            packet = os.read(key.fd, PACKET_MAX)
            try:
                os.write(key.data, packet)
            except OSError:
                pass  # The other device is down: the packet is lost, as in any tunnel.


main()

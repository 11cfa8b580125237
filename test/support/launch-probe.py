"""Says, as one line of JSON, with what privileges and descriptors it was started; then ends, or waits for the end of
its input if the first argument is `wait`. Arguments behind that are ignored."""

import errno
import json
import os
import resource
import socket
import sys

ICMP6_FILTER = 1
IPV6_HOPOPTS = 54
IPV6_RECVPKTINFO = 49
IP_PKTINFO = 8
SO_PROTOCOL = 38


def inherited():
    """What the descriptors above 2 are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # that of listdir
        if int(name) > 2:
            found[name] = target
    return found


def status():
    with open("/proc/self/status") as file:
        return {line.split(":")[0]: line.split(":")[1].split() for line in file}


def raw_socket():
    """The errno of trying to open one, or `open`."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP).close()
        return "open"
    except OSError as error:
        return errno.errorcode[error.errno]


def options(fd):
    """The options of an MRT socket, if the descriptor is one."""
    sock = socket.socket(fileno=os.dup(fd))
    result = {
        "family": sock.family,
        "type": sock.type,
        "protocol": sock.getsockopt(socket.SOL_SOCKET, SO_PROTOCOL),
        "receiveBuffer": sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        "isBlocking": os.get_blocking(fd),
    }
    if sock.family == socket.AF_INET:
        result["pktinfo"] = sock.getsockopt(socket.IPPROTO_IP, IP_PKTINFO)
    elif sock.family == socket.AF_INET6:
        result["pktinfo"] = sock.getsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO)
        blocked = sock.getsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, 32)
        result["passed"] = [n for n in range(256) if not blocked[n // 32 * 4 + n % 32 // 8] >> n % 8 & 1]
        result["hopByHop"] = sock.getsockopt(socket.IPPROTO_IPV6, IPV6_HOPOPTS, 64).hex()
    return result


fds = inherited()
previous = os.umask(0)
answer = {
    "pid": os.getpid(),
    "uids": os.getresuid(),
    "gids": os.getresgid(),
    "groups": os.getgroups(),
    "status": status(),
    "procOwner": os.stat("/proc/self").st_uid,
    "umask": previous,
    "environment": {name: value for name, value in os.environ.items() if name.startswith(("LISTEN_", "MCROUTE_"))},
    "fds": fds,
    "sockets": {name: options(int(name)) for name, target in fds.items() if target.startswith("socket:")},
    "rawSocket": raw_socket(),
    "realtimeLimit": resource.getrlimit(resource.RLIMIT_RTPRIO),
    "schedulingPolicy": os.sched_getscheduler(0),
}
print(json.dumps(answer), flush=True)
if sys.argv[1:2] == ["wait"]:
    sys.stdin.read()

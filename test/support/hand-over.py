"""Runs its arguments behind the second as a service manager runs a service whose descriptors it kept: 3 is the IPv4 owner
of the table (first argument), named mrt4; then files in memory with the names of the second argument, separated by
colons, and also named so."""

import os
import socket
import struct
import sys

MRT_INIT = 200
MRT_TABLE = 209

table, kept, *command = sys.argv[1:]
owner = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
owner.setsockopt(socket.IPPROTO_IP, MRT_TABLE, struct.pack("I", int(table)))
owner.setsockopt(socket.IPPROTO_IP, MRT_INIT, 1)
names = kept.split(":")
fds = [owner.fileno(), *(os.memfd_create(name) for name in names)]
# By way of high numbers, as one of them may stand on the place of another.
high = [os.dup2(fd, 100 + fd, inheritable=False) for fd in fds]
for place, fd in enumerate(high, start=3):
    os.dup2(fd, place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(["mrt4", *names]))
os.execvp(command[0], command)

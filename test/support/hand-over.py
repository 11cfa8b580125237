"""Runs its arguments behind the first as a service manager runs a service whose IPv4 socket it kept: descriptor 3 is the
owner of the table (first argument), named mrt4, and 4 is /dev/null, named notes."""

import os
import socket
import struct
import sys

MRT_INIT = 200
MRT_TABLE = 209

owner = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
owner.setsockopt(socket.IPPROTO_IP, MRT_TABLE, struct.pack("I", int(sys.argv[1])))
owner.setsockopt(socket.IPPROTO_IP, MRT_INIT, 1)
notes = os.open("/dev/null", os.O_RDONLY)
# By way of high numbers, as either of the two may stand on the place of the other.
high = [os.dup2(fd, 20 + fd, inheritable=False) for fd in (owner.fileno(), notes)]
for place, fd in zip((3, 4), high):
    os.dup2(fd, place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="mrt4:notes")
os.execvp(sys.argv[2], sys.argv[2:])

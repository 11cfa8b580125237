#!/usr/bin/env python3
"""Stands in for mcroute-agent, or mcroute-gateway, where only its life matters: does what it is told.

It is told by the file TOLD_DIRECTORY/TABLE, or TOLD_DIRECTORY/gateway, when it starts, and later by who connects to its --socket; one order a line:

  ready              READY=1 and a status
  keep NAME [COUNT]  makes files in memory and gives them to the keeper
  again NAME         gives the keeper once more what it has of the name
  release NAME       the keeper need not keep them any more
  tell TEXT          sends the text, in which | is a new line
  say TEXT           writes the text to stderr
  ignore SIGNAL      such as SIGTERM
  child              starts a process that holds stderr and lives on for 20 s
  hang               does nothing more, not even on signals but SIGABRT
  exit CODE
  kill               kills itself by SIGKILL

A line `---` in the file divides it: the first life has the first part, and so on; the last one is for all that follow. Each
life adds a line of JSON to TOLD_DIRECTORY/TABLE.lives. SIGTERM and SIGINT: forgets all descriptors, then ends with 0.
SIGUSR2: ends with 0. SIGHUP: says so on stderr. Signs of life are sent as WATCHDOG_USEC asks for.
"""

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
import time

PR_SET_PDEATHSIG = 1
FIRST_DESCRIPTOR = 3


class Agent:
    def __init__(self):
        options = dict(zip(sys.argv[1:], sys.argv[2:]))
        self.table = options.get("--table", "gateway")
        self.file = os.path.join(os.environ["TOLD_DIRECTORY"], self.table)
        self.lock = open(self.file + ".lock", "w", encoding="utf-8")
        # There are never two agents of a table; the next life may say so if there were.
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.kept = self.take_descriptors()
        self.note_life()
        self.path = options.get("--socket") or os.path.join(options["--runtime-directory"], "gateway.sock")
        self.control = listen(self.path)

    def take_descriptors(self):
        count = int(os.environ.get("LISTEN_FDS", "0"))
        names = os.environ.get("LISTEN_FDNAMES", "").split(":")
        assert os.environ["LISTEN_PID"] == str(os.getpid()), "LISTEN_PID is another's"
        return [(names[i], FIRST_DESCRIPTOR + i) for i in range(count)]

    def note_life(self):
        life = {
            "pid": os.getpid(),
            "arguments": sys.argv[1:],
            "kept": [f"{name}:{os.fstat(fd).st_ino}" for name, fd in self.kept],
            "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
            "environment": dict(os.environ),
        }
        with open(self.file + ".lives", "a", encoding="utf-8") as lives:
            lives.write(json.dumps(life) + "\n")

    def orders(self):
        with open(self.file + ".lives", encoding="utf-8") as lives:
            life = len(lives.readlines()) - 1
        with open(self.file, encoding="utf-8") as told:
            parts = told.read().split("---\n")
        return parts[min(life, len(parts) - 1)].splitlines()

    def obey(self, order):
        word, _, rest = order.partition(" ")
        if word == "ready":
            notify(f"READY=1\nSTATUS=Serving table {self.table}")
        elif word == "keep":
            name, _, count = rest.partition(" ")
            fds = [os.memfd_create(name) for _ in range(int(count or "1"))]
            self.kept += [(name, fd) for fd in fds]
            for start in range(0, len(fds), 253):
                notify(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", fds[start : start + 253])
        elif word == "again":
            notify(f"FDSTORE=1\nFDNAME={rest}", [fd for name, fd in self.kept if name == rest])
        elif word == "release":
            notify(f"FDSTOREREMOVE=1\nFDNAME={rest}")
        elif word == "tell":
            notify(rest.replace("|", "\n"))
        elif word == "say":
            print(rest, file=sys.stderr, flush=True)
        elif word == "ignore":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [getattr(signal, rest)])
            signal.signal(getattr(signal, rest), signal.SIG_IGN)
        elif word == "child":
            if os.fork() == 0:
                self.lock.close()
                self.control.close()
                time.sleep(20)
                os._exit(0)
        elif word == "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGABRT})
            while True:
                time.sleep(3_600)
        elif word == "exit":
            sys.stderr.flush()
            os._exit(int(rest))
        elif word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word != "":
            raise ValueError(f"no such order: {order}")

    def end(self, number):
        if number != signal.SIGUSR2:
            for name in sorted({name for name, _ in self.kept}):
                notify(f"FDSTOREREMOVE=1\nFDNAME={name}")
        os.unlink(self.path)
        os._exit(0)

    def take(self, number):
        if number == signal.SIGHUP:
            print("it reads its files again", file=sys.stderr, flush=True)
        else:
            self.end(number)

    def live(self):
        handled = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2, signal.SIGHUP]
        received, wakeup = socket.socketpair()
        wakeup.setblocking(False)
        signal.set_wakeup_fd(wakeup.fileno())
        for number in handled:
            signal.signal(number, lambda *_: None)
        for order in self.orders():
            self.obey(order)
        period = int(os.environ.get("WATCHDOG_USEC", "0")) / 4_000_000 or None
        while True:
            readable, _, _ = select.select([received, self.control], [], [], period)
            if received in readable:
                self.take(received.recv(1)[0])
            if self.control in readable:
                self.serve()
            notify("WATCHDOG=1")

    def serve(self):
        """One connection at a time: its orders, then `done`."""
        peer, _ = self.control.accept()
        with peer, peer.makefile("rw") as stream:
            for order in stream:
                self.obey(order.strip())
            stream.write("done\n")


def listen(path):
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    return listener


def notify(state, fds=()):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(os.environ["NOTIFY_SOCKET"])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds))]
        sender.sendmsg([state.encode()], rights if fds else [])


# As the launcher does with --die-with-parent.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
Agent().live()

"""Runs its arguments as on a kernel that was booted with ipv6.disable=1: socket(AF_INET6, ...) gives EAFNOSUPPORT, by a
seccomp filter that the programs it starts inherit."""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

SYS_SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_ALLOW = 0x7FFF0000
LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K
# Offsets in struct seccomp_data: the number of the system call; the low half of its first argument.
NUMBER = 0
FIRST_ARGUMENT = 16


def instruction(code, jump_true, jump_false, value):
    """struct sock_filter"""
    return struct.pack("HBBI", code, jump_true, jump_false, value)


program = b"".join(
    [
        instruction(LOAD_WORD, 0, 0, NUMBER),
        instruction(JUMP_IF_EQUAL, 0, 3, SYS_SOCKET),
        instruction(LOAD_WORD, 0, 0, FIRST_ARGUMENT),
        instruction(JUMP_IF_EQUAL, 0, 1, socket.AF_INET6),
        instruction(RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EAFNOSUPPORT),
        instruction(RETURN, 0, 0, SECCOMP_RET_ALLOW),
    ]
)


class Filter(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
filter_program = Filter(len(program) // 8, program)
# Without this an unprivileged process may not set a filter.
for step in (
    (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
    (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter_program), 0, 0),
):
    if libc.prctl(*step) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])

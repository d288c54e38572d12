"""System calls that are refused for good: a filter that the kernel asks before each of them.

The filter is a program of classic BPF over the call's number and arguments (``man 2 seccomp``). What is refused
gives the caller EPERM, so that a Python program sees an exception.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

from tunesmith.core.sandbox.calls import NEWER, REFUSED, SOMETIMES

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Machine -> its place in the table of calls, and the kernel's number for it."""

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_PR_SET_SECCOMP, _FILTER, _PR_SET_PDEATHSIG = 22, 2, 1
_CLONE_THREAD = 0x10000
_AF_UNIX, _SOCK_STREAM, _SOCK_KIND = 1, 1, 0xF
_O_TRUNC_TO_READ, _O_TRUNC = 0o1003, 0o1000
_SIGNALS_BY_FCNTL = (8, 10, 15, 1024, 1026)  # SETOWN, SETSIG, SETOWN_EX, SETLEASE, NOTIFY
_IOCTLS = (0x5412, 0x541C, 0x540E, 0x8901, 0x8902)  # TIOCSTI, TIOCLINUX, TIOCSCTTY, FIOSETOWN, SIOCSPGRP


@dataclass(frozen=True)
class When:
    """A call is refused by the low 32 bits of one argument.

    Args:
        call: its name.
        argument: counted from 0.
        value: what ``argument & mask`` is compared with.
        equal: whether it is refused where it is the value, or where it is not.
    """

    call: str
    argument: int
    value: int
    mask: int = 0xFFFFFFFF
    equal: bool = True


def whens(pid: int) -> list[When]:
    """Threads, signals to oneself and a pair of joined sockets (asyncio's) are let through, and no more of these."""
    return [
        When("clone", 0, _CLONE_THREAD, mask=_CLONE_THREAD, equal=False),
        When("kill", 0, pid, equal=False),
        When("tgkill", 0, pid, equal=False),
        When("socketpair", 0, _AF_UNIX, equal=False),
        When("socketpair", 1, _SOCK_STREAM, mask=_SOCK_KIND, equal=False),
        When("prlimit64", 0, 0, equal=False),
        When("prctl", 0, _PR_SET_PDEATHSIG),
        *(When("fcntl", 1, command) for command in _SIGNALS_BY_FCNTL),
        *(When("ioctl", 1, command) for command in _IOCTLS),
        When("open", 1, _O_TRUNC, mask=_O_TRUNC_TO_READ),  # empties a file that may only be read
        When("openat", 2, _O_TRUNC, mask=_O_TRUNC_TO_READ),
    ]


def program(machine: str, pid: int) -> bytes:
    """The filter for a process, as the kernel reads it: 8 bytes an instruction.

    Raises:
        OSError: this kind of machine is not known.
    """
    if machine not in MACHINES:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine}")
    column, kernel = MACHINES[machine]
    code = [_do(_LOAD, _MACHINE), _do(_EQUAL, kernel, 1, 0), _do(_RETURN, _KILL), _do(_LOAD, _NUMBER)]
    if column == 0:  # the same calls by other numbers
        code += [_do(_AT_LEAST, 0x40000000, 0, 1), _do(_RETURN, _KILL)]
    code += [_do(_AT_LEAST, NEWER, 0, 1), _do(_RETURN, _REFUSE | errno.ENOSYS)]
    # Its flags are in memory, where a filter cannot look; without it libraries use clone.
    code += _refused(SOMETIMES["clone3"][column], errno.ENOSYS)
    code += [step for numbers in REFUSED.values() for step in _refused(numbers[column], errno.EPERM)]
    code += [step for when in whens(pid) for step in _refused_when(SOMETIMES[when.call][column], when)]
    return b"".join([*code, _do(_RETURN, _ALLOW)])


def put_on() -> None:
    """For this process and all threads it will have; never to be taken off. Needs ``no_new_privs``.

    Raises:
        OSError: the kernel does not take it, or this kind of machine is not known.
    """
    made = program(platform.machine(), os.getpid())
    held = ctypes.create_string_buffer(made, len(made))
    # struct sock_fprog: a count, padding, the address
    told = ctypes.create_string_buffer(struct.pack("@HP", len(made) // 8, ctypes.addressof(held)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_FILTER), told, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")


def _refused(number: int | None, error: int) -> list[bytes]:
    return [] if number is None else [_do(_EQUAL, number, 0, 1), _do(_RETURN, _REFUSE | error)]


def _refused_when(number: int | None, when: When) -> list[bytes]:
    if number is None:
        return []
    return [
        _do(_EQUAL, number, 0, 5),
        _do(_LOAD, _ARGUMENTS + 8 * when.argument),  # the low half: both machines are little-endian
        _do(_AND, when.mask),
        _do(_EQUAL, when.value, 0 if when.equal else 1, 1 if when.equal else 0),
        _do(_RETURN, _REFUSE | errno.EPERM),
        _do(_LOAD, _NUMBER),
    ]


def _do(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_so, if_not, value)

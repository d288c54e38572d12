"""Limits, user and network of a process that will run a program: put on from within, before it runs."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import stat
import struct
from contextlib import suppress
from pathlib import Path

NOBODY = 65534
"""The user and group that root becomes."""
_NEW_USER, _NEW_NETWORK, _NEW_IPC = 0x10000000, 0x40000000, 0x08000000
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_NO_NEW_PRIVS = 1, 8, 38
_READ_ANY_FILE = 1 << 2  # CAP_DAC_READ_SEARCH
_CAPABILITIES_V3 = 0x20080522


def limit(seconds: float, memory: int, file_size: int) -> None:
    """Processor time, address space, size of any file, open files; no core dumps."""
    processor = int(seconds) + 1
    for kind, most in {
        resource.RLIMIT_CPU: processor,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: file_size,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }.items():
        resource.setrlimit(kind, (most, most))


def limit_threads(more: int) -> None:
    """So many threads more than the user has now; it counts for the user that the process then is."""
    most = _threads_of(os.getuid()) + more
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def without_network(own_user: bool) -> bool:
    """Whether the process could be put where there is no network, nor any abstract socket of others.

    Args:
        own_user: go through a user namespace, which a normal user needs, and in which nothing is left of capabilities
            outside.
    """
    flags = _NEW_NETWORK | _NEW_IPC | (_NEW_USER if own_user else 0)
    return bool(_libc().unshare(flags) == 0)


def become_nobody(library: Path) -> bool:
    """Root becomes nobody; every capability is laid down. Whether one was kept: to read Python's own library.

    Args:
        library: of Python, whose modules are read while the program runs. It may be in a folder that only root reads.

    Raises:
        OSError: root may not become another user here.
    """
    libc, readable = _libc(), _readable_by_all(library)
    if os.getuid() == 0:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    if readable or not _set_capabilities(libc, _READ_ANY_FILE):
        _set_capabilities(libc, 0)
        return False
    return True


def lay_down_capabilities() -> None:
    """All of them, those of a user namespace, too."""
    _set_capabilities(_libc(), 0)


def end_with_parent() -> None:
    """Killed when the process that started this one ends; nothing that runs later has more rights than this one."""
    libc = _libc()
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel does not take no_new_privs")


def _set_capabilities(libc: ctypes.CDLL, kept: int) -> bool:
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITIES_V3, 0), 8)
    data = ctypes.create_string_buffer(struct.pack("=6I", kept, kept, 0, 0, 0, 0), 24)
    return bool(libc.capset(header, data) == 0)


def _readable_by_all(folder: Path) -> bool:
    """Whether any user may go into the folder and read it."""
    place = folder.resolve()
    through = all(path.stat().st_mode & stat.S_IXOTH for path in [place, *place.parents])
    return through and bool(place.stat().st_mode & stat.S_IROTH)


def _threads_of(user: int) -> int:
    total = 0
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            if place.stat().st_uid == user:
                told = (place / "status").read_text("ascii", "replace")
                total += int(told.partition("Threads:")[2].split()[0])
    return total


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

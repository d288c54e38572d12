"""Files that a process may reach, by Landlock (Linux 5.13 and later; no privilege is needed)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _BENEATH = 1, 1
EXECUTE, WRITE, READ, LIST, REMOVE_DIR, REMOVE, MAKE = 1, 2, 4, 8, 1 << 4, 1 << 5, 1 << 8
KNOWN = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Landlock's version -> every right on files that it can withhold; later ones have the last's."""
TRUNCATE = 1 << 14
_OF_FILES = EXECUTE | WRITE | READ | TRUNCATE


def put_on(read: Iterable[str], write: Iterable[str]) -> None:
    """This process reads beneath ``read``, and reads, writes, makes and removes plain files beneath ``write``.

    Nothing else of any file system can be opened, made, moved or removed; never to be taken off. A path that is
    not there is passed over. Folders cannot be made, so that a folder's files are all that is in it. Needs
    ``no_new_privs``.

    Raises:
        OSError: the kernel has no Landlock.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = _call(libc, _CREATE, None, ctypes.c_size_t(0), _VERSION)
    handled = KNOWN[min(version, max(KNOWN))]
    asked = ctypes.create_string_buffer(struct.pack("=Q", handled), 8)
    rules = _call(libc, _CREATE, asked, ctypes.c_size_t(8), 0)
    try:
        for path in read:
            _allow(libc, rules, path, (READ | LIST) & handled)
        for path in write:
            _allow(libc, rules, path, (READ | LIST | WRITE | TRUNCATE | REMOVE | MAKE) & handled)
        _call(libc, _RESTRICT, rules, 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _OF_FILES
        _call(libc, _ADD, rules, _BENEATH, ctypes.create_string_buffer(struct.pack("=Qi", rights, place), 12), 0)
    finally:
        os.close(place)


def _call(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    given: int = libc.syscall(number, *arguments)
    if given < 0:
        raise OSError(ctypes.get_errno(), "the kernel has no Landlock")
    return given

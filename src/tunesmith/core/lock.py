"""A lock on an open file that the system lets go when its process ends, however it ends."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from typing import Any

WINDOWS = os.name == "nt"
BINARY = getattr(os, "O_BINARY", 0)
"""For ``os.open``: Windows would make two bytes of each line's end."""
FAR = 2**30
"""The byte that Windows locks: others cannot read a locked byte, so it is one that no file here has."""


def locked(handle: int, *, wait: bool = False) -> bool:
    """Lock a file, and say whether it is ours; ``os.close`` lets it go.

    Args:
        handle: of ``os.open``, writable.
        wait: until another lets it go.

    Raises:
        OSError: it cannot be locked, for another reason than that it is locked.
    """
    if WINDOWS:
        return _on_windows(handle, wait)
    import fcntl

    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return True
    return False


def _on_windows(handle: int, wait: bool) -> bool:
    msvcrt: Any = import_module("msvcrt")
    place = os.lseek(handle, 0, os.SEEK_CUR)
    os.lseek(handle, FAR, os.SEEK_SET)
    try:
        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except PermissionError:  # another has it
                if not wait:
                    return False
            except OSError as error:
                if not wait or error.errno != 36:  # EDEADLOCK: it has waited for ten seconds
                    raise
            else:
                return True
    finally:
        os.lseek(handle, place, os.SEEK_SET)

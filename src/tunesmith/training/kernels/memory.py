"""Keep freed memory for the next step instead of giving it back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

# From glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8


@cache
def keep_freed_memory() -> bool:
    """Tell glibc not to return large blocks after each step; False where there is no glibc.

    By default every activation above 32 MiB at most is a fresh mapping, and its first touch costs a page fault
    for each 4 KiB: a third of a training step on short texts.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, (1 << 31) - 1), (_TOP_PAD, 64 << 20))
    return all([mallopt(key, value) == 1 for key, value in settings])

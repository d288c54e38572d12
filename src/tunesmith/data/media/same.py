"""Which pictures and sounds are the same, whatever they are called."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence

from tunesmith.data.media.limits import MediaProblem
from tunesmith.data.media.place import INLINE, content


def content_keys(values: Sequence[str | None]) -> list[str]:
    """A key for each value, equal where the bytes are; "" where there is none. A file is read only where another one
    has its size.

    Args:
        values: as ``place.settled`` gives them.
    """
    distinct = [value for value in dict.fromkeys(values) if value]
    sizes = {value: _size(value) for value in distinct}
    several = Counter(sizes.values())
    keys = {value: value if several[sizes[value]] < 2 else _hash(value) for value in distinct}
    return [keys[value] if value else "" for value in values]


def _size(value: str) -> int:
    if value.startswith(INLINE):
        body = value.rpartition(",")[2]
        return len(body) * 3 // 4 - body[-2:].count("=")
    try:
        return os.stat(value).st_size
    except OSError:
        return -1


def _hash(value: str) -> str:
    try:
        return hashlib.blake2b(content(value), digest_size=16).hexdigest()
    except MediaProblem:
        return value

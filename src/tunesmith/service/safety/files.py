"""Pictures and sounds in requests: read in threads beside the event loop, within a policy's limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tunesmith.data.media.limits import MediaProblem
from tunesmith.service.overload import too_late
from tunesmith.service.problems import Refused
from tunesmith.service.safety.policy import Limits
from tunesmith.service.safety.texts import FILES

T = TypeVar("T")
AT_ONCE = 2
"""Requests whose files are decoded: one takes some hundred megabytes for a moment."""
_readers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="files")
_patient = ThreadPoolExecutor(1, thread_name_prefix="files of jobs")
"""For what nobody waits for: many rows at once, that must not stand before a request's one."""


def files_in(rows: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Each row's files: the key, and what stands there.

    >>> list(files_in([{"text": "a", "image": "data:image/png;base64,AAAA"}, "b"]))
    [('image', 'data:image/png;base64,AAAA')]
    """
    for row in rows:
        if isinstance(row, Mapping):
            yield from ((name, row[name]) for name in FILES if isinstance(row.get(name), str) and row[name])


async def beside(read: Callable[[], T], rows: Sequence[Any], deadline: float, *, low: bool = False) -> T:
    """What ``read`` gives; where rows have files, in a thread: decoding one may take a second.

    Args:
        deadline: seconds from now.
        low: whether nobody waits for it.

    Raises:
        Refused: it has to wait too long (503).
    """
    if next(files_in(rows), None) is None:
        return read()
    reading = asyncio.get_running_loop().run_in_executor(_patient if low else _readers, read)
    try:
        return await asyncio.wait_for(reading, deadline)
    except TimeoutError:
        raise too_late() from None


def files_within(limits: Limits, rows: Sequence[Any]) -> None:
    """Nothing, where pictures and sounds are within the limits; only their headers are read. Broken ones pass: who
    reads them whole says what is wrong.

    Raises:
        Refused: 413 "too_large".
    """
    from tunesmith.data.media.picture import size_of
    from tunesmith.data.media.sound import seconds_of

    for name, value in files_in(rows):
        try:
            if name == "image" and limits.pixels is not None:
                width, height = size_of(value)
                if width * height > limits.pixels:
                    raise _too_large(f"a picture of {width * height:,} pixels", f"{limits.pixels:,}")
            elif name == "audio" and limits.seconds is not None and (took := seconds_of(value)) > limits.seconds:
                raise _too_large(f"a sound of {took:,.1f} seconds", f"{limits.seconds:,g}")
        except MediaProblem:
            continue


def _too_large(what: str, most: str) -> Refused:
    return Refused(413, "too_large", f"The request has {what}; the limit is {most}.")

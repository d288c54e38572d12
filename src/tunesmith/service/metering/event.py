"""One answered request, and the line that it is in a write-ahead file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from zlib import crc32

import orjson

OURS = "req_"
"""How ids begin that the service made itself. They are all different, so none of them needs to be remembered."""


@dataclass(frozen=True, slots=True)
class Event:
    """A request that was answered, or that the service failed at, as it is metered.

    Args:
        request_id: the client's own (``Idempotency-Key``), which is counted once in 24 hours, or one of ours.
        key: the key's public id.
        product: what was asked.
        version: which version of it answered.
        rows: how many rows were asked about.
        tokens: how many tokens they had.
        requests: 1.
        status: of HTTP: 200, or 500 where the service failed. From 400 on it is counted as failed, and not invoiced.
        at: seconds since 1970.
        digest: of what was asked (``digest_of``). With it, a client's own id stands for one question: the same id
            with another question is counted, too.
    """

    request_id: str
    key: str
    product: str
    version: str
    rows: int
    tokens: int
    requests: int = 1
    status: int = 200
    at: float = field(default_factory=time.time)
    digest: str = ""

    @property
    def retriable(self) -> bool:
        """Whether it may come again under the same id: the id is the client's, and this one was an answer."""
        return self.status < 400 and self.own(self.request_id)

    @staticmethod
    def own(request_id: str) -> bool:
        """Whether an id is the client's own."""
        return not request_id.startswith(OURS)


def digest_of(asked: Sequence[Mapping[str, Any]]) -> str:
    """96 bits of what was asked, for ``Event.digest``.

    >>> digest_of([{"text": "好"}]) == digest_of([{"text": "好"}]) != digest_of([{"text": "坏"}])
    True
    """
    plain = orjson.dumps(asked, default=repr, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    return blake2b(plain, digest_size=12).hexdigest()


def as_line(event: Event) -> bytes:
    """A checksum, a blank, JSON, a line's end."""
    values = orjson.dumps(event)
    return b"%08x %s\n" % (crc32(values), values)


def of_line(line: bytes) -> Event | None:
    """The event of a line; None where the line is torn or damaged.

    >>> event = Event("id", "key", "茶", "1", rows=2, tokens=9)
    >>> of_line(as_line(event)) == event, of_line(as_line(event)[:-3]), of_line(as_line(event).replace(b"9", b"8"))
    (True, None, None)
    """
    checksum, _, values = line.removesuffix(b"\n").partition(b" ")
    if checksum != b"%08x" % crc32(values):
        return None
    try:
        return Event(**orjson.loads(values))
    except (ValueError, TypeError):  # a right checksum over what we did not write
        return None

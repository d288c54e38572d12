"""HTTP/1.1 as a load generator needs it: requests made beforehand, a connection that stays, answers taken apart."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

HEAD_END = b"\r\n\r\n"


class NotHttp(ValueError):
    """The other side does not speak HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response; ``head`` is the status line and the headers as they came."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """A header's value."""
        return _header(self.head, name.lower().encode())


@dataclass(frozen=True, slots=True)
class Target:
    """Where a load goes."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Target:
        """Of ``http://host:port/path``."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url} is not http://HOST:PORT/PATH")
        return cls(parts.hostname, parts.port or 80, parts.path or "/")


def request(target: Target, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A POST of JSON, ready to be sent."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {target.host}:{target.port}\r\nContent-Type: application/json\r\n"
        f"{more}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def taken(buffer: bytes | bytearray) -> tuple[Answer, int] | None:
    """The first answer of what has come in, and how many bytes it had; None while it is not whole.

    Raises:
        NotHttp: it cannot become one.
    """
    end = buffer.find(HEAD_END)
    if end < 0:
        return None
    head = bytes(buffer[:end])
    if not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
        raise NotHttp(repr(head[:40]))
    status, start = int(head[9:12]), end + len(HEAD_END)
    if status in (204, 304):
        return Answer(status, head, b""), start
    length = _header(head, b"content-length")
    if length is None:
        if "chunked" not in (_header(head, b"transfer-encoding") or "").lower():
            raise NotHttp("neither Content-Length nor chunks")
        found = _chunks(buffer, start)
        return None if found is None else (Answer(status, head, found[0]), found[1])
    stop = start + int(length)
    return None if len(buffer) < stop else (Answer(status, head, bytes(buffer[start:stop])), stop)


def _header(head: bytes, name: bytes) -> str | None:
    at = head.lower().find(b"\r\n" + name + b":")
    if at < 0:
        return None
    at += len(name) + 3
    end = head.find(b"\r\n", at)
    return head[at : len(head) if end < 0 else end].strip().decode("latin-1")


def _chunks(buffer: bytes | bytearray, at: int) -> tuple[bytes, int] | None:
    """A chunked body and where it ends; trailers are not looked for: no server here sends any."""
    body = b""
    while (line := buffer.find(b"\r\n", at)) >= 0:
        size = int(bytes(buffer[at:line]).partition(b";")[0], 16)
        at = line + 2 + size + 2
        if len(buffer) < at:
            return None
        if not size:
            return body, at
        body += bytes(buffer[line + 2 : at - 2])
    return None


class Connection(asyncio.Protocol):
    """One connection that stays; one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiting: asyncio.Future[Answer | None] | None = None
        self._transport: asyncio.Transport | None = None
        self.asked_at = 0.0
        """When the request was sent that is waited for; 0.0 where none is."""
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport, self.open = cast(asyncio.Transport, transport), True  # uvloop's has another base class

    def ask(self, data: bytes) -> asyncio.Future[Answer | None]:
        """Send a request; its answer, None where the connection broke before it was whole."""
        waiting: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        if self.open and self._transport is not None:
            self._waiting, self.asked_at = waiting, time.perf_counter()
            self._transport.write(data)
        else:
            waiting.set_result(None)
        return waiting

    def data_received(self, data: bytes) -> None:
        """A part of an answer, or all of it."""
        self._buffer += data
        try:
            found = taken(self._buffer)
        except ValueError:
            self.abort()
            return
        if found is None:
            return
        answer, used = found
        del self._buffer[:used]
        if (answer.header("connection") or "").lower() == "close":
            self.open = False
            if self._transport is not None:
                self._transport.close()
        self._settle(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side went away, or we did."""
        self.open = False
        self._settle(None)

    @property
    def never_stood(self) -> bool:
        """Whether nobody took it."""
        return self._transport is None

    def abort(self) -> None:
        """Break it now."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def _settle(self, answer: Answer | None) -> None:
        waiting, self._waiting, self.asked_at = self._waiting, None, 0.0
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


async def connect(target: Target) -> Connection:
    """A new connection.

    Raises:
        OSError: nobody is there.
    """
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(Connection, target.host, target.port)
    return made

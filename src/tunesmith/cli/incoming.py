"""Lines of standard input: decoded as a file's would be, and handed on when no more are there yet."""

from __future__ import annotations

import codecs
import io
import select
from collections.abc import Iterator
from itertools import chain
from typing import Any

from tunesmith.core.errors import DataError
from tunesmith.data.encoding import judge, wide_start

CHUNK = 2**16
PAUSE = 0.1
"""Seconds without a byte after which what has arrived is answered."""
SAMPLE = 2**16
"""Bytes of lines with non-ASCII characters that are judged."""


def incoming(stream: Any) -> Iterator[str | bytes | None]:
    """Lines without their ends; as bytes what cannot be decoded; None where nothing comes for a while.

    UTF-8 until a line is none; then the encoding is judged by the foreign lines so far, as a file's is.

    Args:
        stream: bytes, with ``read1``.

    Raises:
        DataError: it is UTF-16 or UTF-32, and broken.
    """
    arriving = _arriving(stream)
    head = next((chunk for chunk in arriving if chunk), b"")
    if wide := wide_start(head):
        yield from _wide(head, arriving, wide)
        return
    known = Judged()
    for line in _split(head.removeprefix(codecs.BOM_UTF8), arriving):
        if line is None:
            yield None
            continue
        text = known.decoded(line)
        if text is None:
            yield line
        else:
            yield from text.split("\r")  # as old Macs end lines


class Judged:
    """What the lines so far say of the encoding."""

    def __init__(self) -> None:
        self.name = "utf-8"
        self._foreign: list[bytes] = []
        self._size = 0

    def decoded(self, line: bytes) -> str | None:
        """The line's text; None where it has none."""
        if line.isascii():
            return line.decode("ascii")
        if self.name == "utf-8" and self._size < SAMPLE:
            self._foreign.append(line if len(line) <= CHUNK else line[:4096])
            self._size += len(self._foreign[-1])
            try:
                return line.decode("utf-8")
            except UnicodeDecodeError:
                self.name = judge(self._foreign)
        try:
            return line.decode(self.name)
        except UnicodeDecodeError:
            return None


def _arriving(stream: Any) -> Iterator[bytes]:
    """Chunks as they come, b"" before a wait."""
    told = True
    while True:
        if not told and not _ready(stream):
            told = True
            yield b""
        chunk: bytes = stream.read1(CHUNK)
        if not chunk:
            return
        told = False
        yield chunk


def _ready(stream: Any) -> bool:
    """Whether bytes come within ``PAUSE``; where nobody can tell, they do."""
    try:
        return bool(select.select([stream], [], [], PAUSE)[0])
    except (OSError, ValueError, io.UnsupportedOperation):  # no file; on Windows, a pipe
        return True


def _split(head: bytes, arriving: Iterator[bytes]) -> Iterator[bytes | None]:
    """Lines of chunks, and None for a wait."""
    parts: list[bytes] = []
    for chunk in chain([head], arriving):
        if not chunk:
            yield None
            continue
        *lines, rest = chunk.split(b"\n")
        if lines:
            yield (b"".join(parts) + lines[0]).removesuffix(b"\r")
            yield from (line.removesuffix(b"\r") for line in lines[1:])
            parts = []
        parts.append(rest)
    if last := b"".join(parts):
        yield last.removesuffix(b"\r")


def _wide(head: bytes, arriving: Iterator[bytes], name: str) -> Iterator[str | None]:
    """Lines of two or four bytes a character."""
    decoder, rest, count = codecs.getincrementaldecoder(name)("strict"), "", 0
    for chunk in chain([head], arriving, [None]):
        if chunk == b"":
            yield None
            continue
        try:
            rest += decoder.decode(chunk or b"", final=chunk is None)
        except UnicodeDecodeError as error:
            raise DataError(
                f"Standard input is {name}, and is broken after line {count}.", "Convert it: iconv -t utf-8"
            ) from error
        *lines, rest = rest.replace("\r\n", "\n").split("\n")
        count += len(lines)
        yield from lines
    if rest:
        yield rest

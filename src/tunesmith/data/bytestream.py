"""Bytes and text of a file, whether it is gzipped or not."""

from __future__ import annotations

import codecs
import gzip
import io
from typing import BinaryIO, cast

MARK = "\ufdd0"
"""A non-character that stands before what could not be decoded, so that its row can be told from the others."""


def open_bytes(path: str) -> BinaryIO:
    """The file's content, unzipped where its first bytes say gzip (the name may lie)."""
    return cast(BinaryIO, gzip.open(path, "rb")) if is_gzip(path) else open(path, "rb")


def is_gzip(path: str) -> bool:
    """Whether the file starts with the gzip signature."""
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def open_text(path: str, encoding: str) -> io.TextIOWrapper:
    """The file's text. Bytes that do not decode become ``MARK`` and their hex; line ends are left alone."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors="tunesmith-mark", newline="")


class Utf8Stream(io.RawIOBase):
    """A file in any encoding, read as UTF-8 bytes."""

    def __init__(self, path: str, encoding: str) -> None:
        self._text = open_text(path, encoding)
        self._rest = b""

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes."""
        if size < 0:
            return self._rest + self._text.read().encode("utf-8")
        while len(self._rest) < size:
            piece = self._text.read(max(size // 4, 4096))
            if not piece:
                break
            self._rest += piece.encode("utf-8")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def close(self) -> None:
        """Close the file, too."""
        self._text.close()
        super().close()


def _mark(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return MARK + "".join(f"<{b:02X}>" for b in error.object[error.start : error.end]), error.end


codecs.register_error("tunesmith-mark", _mark)

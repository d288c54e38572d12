"""From what a row says to a picture's or sound's bytes: a file inside a folder, or data sent inline.

What a row holds is settled once, by ``settled``: an absolute path, or ``data:image/png;base64,...``.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from pathlib import Path

from tunesmith.data.media.limits import LIMITS, Limits, MediaProblem

INLINE = "data:"
ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://", re.I)
"""What is somewhere else: it is not got."""


def settled(value: str, folder: Path | None, limits: Limits = LIMITS) -> str:
    """The absolute path of a file that is there, or inline data as it was given.

    Args:
        value: a path, or a ``data:`` URL.
        folder: paths are relative to it and must lie inside it, links followed; None: any place.

    Raises:
        MediaProblem: it is missing, outside, empty, too large, or no file.
    """
    if value.startswith(INLINE):
        inline_bytes(value, limits)
        return value
    path = _inside(value, folder)
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise MediaProblem(f'the file "{shown(value)}" cannot be read: {why}') from None
    if not stat.S_ISREG(status.st_mode):
        raise MediaProblem(f'"{shown(value)}" is no file')
    if not status.st_size:
        raise MediaProblem(f'the file "{shown(value)}" is empty')
    if status.st_size > limits.bytes:
        raise MediaProblem(
            f'the file "{shown(value)}" has {status.st_size / 2**20:.0f} MB; {limits.bytes / 2**20:.0f} are taken'
        )
    return path


def content(value: str, limits: Limits = LIMITS) -> bytes:
    """The bytes of what ``settled`` gave.

    Raises:
        MediaProblem: they cannot be read, or are too many by now.
    """
    if value.startswith(INLINE):
        return inline_bytes(value, limits)
    try:
        with open(value, "rb") as file:
            found = file.read(limits.bytes + 1)
    except OSError as error:
        raise MediaProblem(f'the file "{shown(value)}" cannot be read: {error.strerror or error}') from None
    if len(found) > limits.bytes:
        raise MediaProblem(f'the file "{shown(value)}" has more than {limits.bytes / 2**20:.0f} MB')
    return found


def inline_bytes(value: str, limits: Limits = LIMITS) -> bytes:
    """What a ``data:...;base64,`` URL holds.

    Raises:
        MediaProblem: it is no base64, empty, or too large.
    """
    head, comma, body = value.partition(",")
    if not comma or not head.endswith(";base64"):
        raise MediaProblem("the inline data does not begin with data:TYPE;base64,")
    if len(body) > limits.bytes * 4 // 3 + 4:
        raise MediaProblem(f"the inline data has more than {limits.bytes / 2**20:.0f} MB")
    try:
        found = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise MediaProblem("the inline data is no base64") from None
    if not found:
        raise MediaProblem("the inline data is empty")
    return found


def suffix_of(value: str) -> str:
    """The file's suffix in lower case; "" of inline data."""
    return "" if value.startswith(INLINE) else os.path.splitext(value)[1].lower()


def shown(value: str) -> str:
    """A path as messages name it; inline data by its head alone.

    >>> shown("data:image/png;base64,iVBORw0KGgo")
    'data:image/png;base64,...'
    """
    return f"{value.partition(',')[0][:60]},..." if value.startswith(INLINE) else value[-200:]


def _inside(value: str, folder: Path | None) -> str:
    if not value.strip() or "\0" in value:
        raise MediaProblem("the path is empty" if not value.strip() else "the path holds a zero byte")
    if ADDRESS.match(value):
        raise MediaProblem(f'"{shown(value)}" is an address; only files are read: get it first')
    if folder is None:
        return os.path.abspath(os.path.expanduser(value))
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, value))
    if path != root and not path.startswith(root.rstrip(os.sep) + os.sep):
        raise MediaProblem(f'"{shown(value)}" lies outside the data folder {root}')
    return path

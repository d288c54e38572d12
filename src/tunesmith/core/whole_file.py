"""A text file that is whole or absent, and whose place is tried before the work that fills it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tunesmith.core.errors import TunesmithError


@contextmanager
def whole_file(path: str | Path, option: str = "--output", what: str = "The file") -> Iterator[TextIO]:
    """A file to write, UTF-8; it appears under its name when all is written. A pipe or a device is written at once.

    Args:
        path: where to.
        option: by which it was named, for messages.
        what: is written, for messages.

    Raises:
        TunesmithError: the place cannot be written, before anything is done; or the disk is full.
    """
    place = Path(os.path.realpath(path))
    at_once = place.exists() and not place.is_file() and not place.is_dir()
    part = place if at_once else place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        if place.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            if not at_once:
                os.fsync(file.fileno())
        if not at_once:
            os.replace(part, place)
    except OSError as error:
        if error.filename not in (None, part, str(part)):
            raise  # of a file that is read meanwhile
        raise TunesmithError(
            f"{what} cannot be written to {path}: {error.strerror or error}.", f"Name another {option}."
        ) from error
    finally:
        if not at_once:
            with suppress(OSError):
                part.unlink(missing_ok=True)

"""Files that clients upload, each seen by its own key alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tunesmith.core.durable import fsync
from tunesmith.service.jobs import places
from tunesmith.service.jobs.settings import JobSettings
from tunesmith.service.jobs.size import TIMES, refuse_bomb
from tunesmith.service.problems import Refused
from tunesmith.service.request_id import new_id

DAY = 86_400.0


@dataclass(frozen=True)
class File:
    """An uploaded file.

    Args:
        id: its name here.
        name: what the client calls it; shown, never used.
        suffix: one of those that we read.
        bytes: its size.
        at: when it came, in seconds since 1970.
        purpose: what the client says it is for.
    """

    id: str
    name: str
    suffix: str
    bytes: int
    at: float
    purpose: str = "batch"


class Files:
    """The files below a folder.

    Args:
        base: the folder.
        settings: sizes and times.
        clock: seconds since 1970.
    """

    def __init__(self, base: Path, settings: JobSettings, *, clock: Callable[[], float] = time.time) -> None:
        self.base, self.settings, self._clock = base, settings, clock

    def add(self, key: str, name: str, purpose: str, data: BinaryIO) -> File:
        """Keep what a client sends.

        Raises:
            Refused: its name says no format that we read (422), it is too large (413), or there are too many (409).
        """
        suffix = suffix_of(name)
        if sum(1 for _ in places.all_of(self.base, "files", key)) >= self.settings.files:
            raise Refused(409, "too_many_files", f"A key may have {self.settings.files} files; delete one.")
        made = folder(self.base, key, "files", new_id("file"))
        try:
            size = _copied(data, made / f"data{suffix}", int(self.settings.megabytes * 1e6))
            refuse_bomb(made / f"data{suffix}", int(self.settings.megabytes * 1e6 * TIMES), self.settings.rows)
            file = File(made.name, shown(name), suffix, size, self._clock(), purpose[:64])
            places.write(made, asdict(file))
        except BaseException:
            places.remove(made)
            raise
        return file

    def find(self, key: str, id: str) -> File:
        """A file of the key; raises Refused (404)."""
        told = places.read(self.path(key, id))
        if told is None:
            raise Refused(404, "file_not_found", "There is no such file.", param="id")
        return File(**told)

    def path(self, key: str, id: str) -> Path:
        """The folder of a file of the key; raises Refused (404)."""
        return places.place(self.base, key, "files", id)

    def all(self, key: str) -> list[File]:
        """The key's files, the newest first."""
        told = [places.read(path) for path in places.all_of(self.base, "files", key)]
        return sorted((File(**one) for one in told if one), key=lambda file: (-file.at, file.id))

    def delete(self, key: str, id: str) -> None:
        """Remove a file. Jobs that were begun on it have it still."""
        places.remove(self.path(key, id))

    def purge(self) -> int:
        """Remove what is older than it may be, and what an upload that died has left."""
        before = self._clock() - self.settings.keep_days * DAY
        removed = 0
        for path in places.all_of(self.base, "files"):
            told = places.read(path)
            if (told["at"] if told else path.stat().st_mtime) < before:
                places.remove(path)
                removed += 1
        return removed


def upload_limit(settings: JobSettings) -> int:
    """Bytes that a request with a file may have: the file, and the form around it."""
    return int(settings.megabytes * 1e6) + 64_000


def folder(base: Path, key: str, kind: str, id: str) -> Path:
    """A new folder that only we may read."""
    made = places.folder_of(base, key, kind) / id
    made.mkdir(parents=True, mode=0o700)
    return made


def suffix_of(name: str) -> str:
    """The part of a client's name that says the format: ".csv", ".jsonl.gz".

    Raises:
        Refused: 422, none that we read.
    """
    from tunesmith.data.locate import known_suffixes
    from tunesmith.data.locate import suffix_of as plain

    suffix, known = plain(name), sorted(set(known_suffixes()) - {".ann"})  # brat is two files
    if suffix not in known:
        listed = ", ".join(known)
        raise Refused(422, "unknown_format", f"The file's name must end in one of {listed} (and .gz).", param="file")
    return suffix + ".gz" * name.lower().endswith(".gz")


def shown(name: str) -> str:
    """A client's name of a file as it is told again.

    >>> shown("C:\\\\data\\\\../评论\\n.csv")
    '评论.csv'
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable())[:200]


def about(file: File, keep_days: float) -> dict[str, Any]:
    """A file as OpenAI's client knows them."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.at),
        "expires_at": int(file.at + keep_days * DAY),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
    }


def _copied(data: BinaryIO, path: Path, most: int) -> int:
    with path.open("xb") as kept:
        shutil.copyfileobj(_Counted(data, most), kept, 2**20)
    fsync(path)
    if not (size := path.stat().st_size):
        raise Refused(422, "empty_file", "The file is empty.", param="file")
    return size


class _Counted:
    """A stream that ends in a refusal where it is too long."""

    def __init__(self, data: BinaryIO, most: int) -> None:
        self._data, self._left, self._most = data, most, most

    def read(self, size: int = -1) -> bytes:
        piece = self._data.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise Refused(413, "too_large", f"The file is larger than {self._most:,} bytes.", param="file")
        return piece

"""A write-ahead file: lines are appended, and never changed.

A process has one such file open, under a lock that the kernel lets go when the process ends, however it
ends. So a file whose lock can be had is a dead process's, or was closed, and anybody may settle the rest of it.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tunesmith.core.durable import fsync as fsync_path
from tunesmith.core.lock import BINARY, WINDOWS, locked
from tunesmith.service.metering.event import Event, as_line, of_line

SUFFIX, UNBORN = ".wal", ".new"
LARGEST = 16 * 2**20


class Wal:
    """The file that this process writes.

    Args:
        folder: where it is; made where it is not.
        fsync: whether each write waits for the disk. Without it events outlive the process, not a loss of power.
        largest: bytes after which the next file is begun.
    """

    def __init__(self, folder: Path, *, fsync: bool = False, largest: int = LARGEST) -> None:
        self._folder, self._fsync, self._largest = folder, fsync, largest
        self._lock = Lock()
        self._handle = -1
        self._path = folder / "none"
        self._size = 0
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, events: Sequence[Event]) -> None:
        """Append events, all or none, by one ``write``; from then on they outlive a kill -9.

        Raises:
            OSError: the disk is full, for example. Nothing was written then.
        """
        lines = b"".join(map(as_line, events))
        with self._lock:
            if self._handle < 0 or self._size >= self._largest:
                self._begin()
            try:
                if os.write(self._handle, lines) != len(lines):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
                if self._fsync:
                    os.fsync(self._handle)
            except OSError:
                self._undo()
                raise
            self._size += len(lines)

    def written(self) -> tuple[Path, int]:
        """The file, and how many of its bytes are whole events."""
        with self._lock:
            return self._path, self._size

    def close(self) -> None:
        """Let the file go: from now on anybody may settle it. A later write begins another."""
        with self._lock:
            self._end()

    def _begin(self) -> None:
        self._end()
        name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}-{secrets.token_hex(8)}"
        unborn, path = self._folder / f"{name}{UNBORN}", self._folder / f"{name}{SUFFIX}"
        if WINDOWS:  # where no open file is renamed or removed, so that nobody takes it before it is locked
            unborn = path
        handle = os.open(unborn, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
        locked(handle, wait=True)
        if unborn != path:
            os.rename(unborn, path)  # it has its name from the moment on when it is locked, not before
        if self._fsync:
            fsync_path(self._folder)
        self._handle, self._path, self._size = handle, path, 0

    def _undo(self) -> None:
        """Take back half a write; where that fails, too, no line is ever put behind it."""
        try:
            os.ftruncate(self._handle, self._size)
        except OSError:
            self._end()

    def _end(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


@dataclass(frozen=True)
class Part:
    """What was read of a file.

    Args:
        events: in their order.
        end: the offset after the last of them.
        damaged: whole lines before ``end`` that are not events.
    """

    events: list[Event]
    end: int
    damaged: int = 0


def read_part(path: Path, start: int, end: int | None = None, most: int = 4 * 2**20) -> Part:
    """Whole events from an offset on. A torn last line is left where it is: nobody was told that it was counted."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(most if end is None else max(0, min(most, end - start)))
    whole = data[: data.rfind(b"\n") + 1]
    lines = whole.split(b"\n")[:-1]
    events = [event for line in lines if (event := of_line(line)) is not None]
    return Part(events, start + len(whole), len(lines) - len(events))


@contextmanager
def owned(path: Path) -> Iterator[bool]:
    """Whether the file's writer is gone; while the block runs, no other process has the file either."""
    try:
        handle = os.open(path, os.O_RDWR | BINARY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield locked(handle) and _still_there(handle, path)
    finally:
        os.close(handle)


def removed(path: Path) -> bool:
    """Whether a file is gone, by us or another; not where Windows says that somebody has it open."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if not WINDOWS:
            raise
        return False
    return True


def _still_there(handle: int, path: Path) -> bool:
    """Whether nobody settled and removed it between our opening and our locking."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False

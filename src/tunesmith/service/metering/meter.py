"""Both halves together: events are written at once, and settled each second by a thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from sqlalchemy import Engine

from tunesmith.service.metering.event import Event
from tunesmith.service.metering.settle import forget_seen, settle, settle_dead
from tunesmith.service.metering.wal import LARGEST, Wal
from tunesmith.service.ticker import Ticker

log = logging.getLogger(__name__)

FORGET_EVERY = 3600.0


class Meter:
    """Counts what was answered, exact to the request.

    At the start it settles what processes that are gone left in the folder, so usage is whole from then on.

    Args:
        engine: a store whose tables are there.
        folder: for write-ahead files, on a local disk; processes may share it.
        fsync: whether each write waits for the disk.
        every: seconds between settlings.
        largest: bytes of a file.
        patience: seconds that ``close`` tries again, where the store is away: the folder may go with the process.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        *,
        fsync: bool = False,
        every: float = 1.0,
        largest: int = LARGEST,
        patience: float = 0.0,
    ) -> None:
        self.fsync = fsync
        self._engine = engine
        self._folder = folder
        self._patience = patience
        self._wal = Wal(folder, fsync=fsync, largest=largest)
        self._lock = Lock()
        self._done: tuple[Path, int] = self._wal.written()
        self._forgot = 0.0
        self.settle()
        self._ticker = Ticker("metering", self.settle, every)
        self._ticker.start()

    @property
    def problem(self) -> str:
        """Why the last settling failed; "" where it did not. Events are safe in their file meanwhile."""
        return self._ticker.problem

    def write(self, events: Sequence[Event]) -> None:
        """Write events; when this returns, an answer may be sent.

        Raises:
            OSError: they cannot be written, and none was.
        """
        self._wal.write(events)

    def settle(self) -> None:
        """Count what was written up to now, by this process and by those that are gone."""
        with self._lock:
            path, size = self._wal.written()
            if (path, size) != self._done:
                settle(self._engine, path, size)
                self._done = (path, size)
            settle_dead(self._engine, self._folder)
            if time.monotonic() - self._forgot > FORGET_EVERY:
                forget_seen(self._engine)
                self._forgot = time.monotonic()

    def close(self) -> None:
        """Settle the rest; where the store stays away, the next start does it, if the folder is there then."""
        self._ticker.close()
        self._wal.close()
        until = time.monotonic() + self._patience
        while True:
            try:
                return self.settle()
            except Exception as error:
                if time.monotonic() >= until:
                    log.warning("metering: %s; the next start will count what is left in %s", error, self._folder)
                    return
            time.sleep(min(0.5, self._patience))

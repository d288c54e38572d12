"""The events of one tick of the event loop, written by one ``write``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from tunesmith.service.metering.event import Event
from tunesmith.service.problems import Refused

log = logging.getLogger(__name__)


class Writer(Protocol):
    """What a ``TickMeter`` writes with: a ``Meter``."""

    fsync: bool

    def write(self, events: Sequence[Event]) -> None:
        """All or none."""
        ...

    def close(self) -> None:
        """Settle the rest."""
        ...


class TickMeter:
    """A meter for coroutines: what several of them note in one tick becomes one write.

    Without fsync the write takes microseconds and is made on the event loop. With fsync it is made by a thread; what
    is noted meanwhile waits, and is the next write.

    Args:
        meter: writes and settles.
    """

    def __init__(self, meter: Writer) -> None:
        self.meter = meter
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def note(self, event: Event) -> None:
        """Write an event. It is written also where the one who waits is cancelled: the work was done.

        Raises:
            Refused: 503; it cannot be written, so the answer must not be sent.
        """
        loop = asyncio.get_running_loop()
        written: asyncio.Future[None] = loop.create_future()
        self._waiting.append((event, written))
        if self.meter.fsync:
            if self._flushing is None or self._flushing.done():
                self._flushing = loop.create_task(self._flush_by_thread())
        elif len(self._waiting) == 1:
            loop.call_soon(self._flush)
        await written

    def close(self) -> None:
        """Settle the rest."""
        self.meter.close()

    def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            self.meter.write([event for event, _ in batch])
        except OSError as error:
            _end(batch, error)
        else:
            _end(batch)

    async def _flush_by_thread(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self.meter.write, [event for event, _ in batch])
            except OSError as error:
                _end(batch, error)
            else:
                _end(batch)


def _end(batch: list[tuple[Event, asyncio.Future[None]]], error: OSError | None = None) -> None:
    """Let those go on who wait."""
    if error is not None:
        log.error("usage cannot be written: %s", error)
    for _, written in batch:
        if not written.done():
            if error is None:
                written.set_result(None)
            else:
                message = "The service cannot write down what it answers, so it does not answer."
                written.set_exception(Refused(503, "metering_unavailable", message, retry_after=5))

"""Writing that no request waits for: a bounded queue, and a thread that writes many at once."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Drain(Generic[T]):
    """Takes things at once and writes them soon.

    Args:
        write: is given what came since the last time, in order, from one thread only; what it raises is logged, and
            what it was given counts as dropped.
        name: of the thread.
        most: things that may wait; what comes beyond that is dropped and counted.
        seconds: between two writings at most.
        together: things written at once at most.
    """

    def __init__(
        self,
        write: Callable[[list[T]], None],
        name: str,
        *,
        most: int = 20_000,
        seconds: float = 0.25,
        together: int = 500,
    ) -> None:
        self.dropped = 0
        self._write, self._most, self._seconds, self._together = write, most, seconds, together
        self._waiting: deque[T] = deque()
        self._taken = self._done = 0
        self._wake = threading.Event()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, thing: T) -> bool:
        """Take a thing, unless too many wait. Never blocks."""
        if self._closed or len(self._waiting) >= self._most:
            self.dropped += 1
            return False
        self._waiting.append(thing)
        self._taken += 1
        return True

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until what was taken so far is written; False where it takes longer."""
        until = self._taken
        self._wake.set()
        with self._changed:
            return self._changed.wait_for(lambda: self._done >= until, timeout)

    def close(self, timeout: float = 10.0) -> None:
        """Write what waits, and end."""
        self._closed = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            self._wake.wait(self._seconds)
            self._wake.clear()
            ending = self._closed  # read first: what was taken before is in the queue by now
            while self._waiting:
                self._some()
            if ending:
                return

    def _some(self) -> None:
        count = min(len(self._waiting), self._together)
        things = [self._waiting.popleft() for _ in range(count)]
        try:
            self._write(things)
        except Exception:
            self.dropped += count
            log.exception("%s: %d could not be written", self._thread.name, count)
        with self._changed:
            self._done += count
            self._changed.notify_all()

"""Something done again and again beside the requests, that survives its own failures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread

log = logging.getLogger(__name__)


class Ticker:
    """A daemon thread that calls a function, and says so once when that begins to fail and once when it works again.

    Args:
        name: for logs.
        call: what to do; it may raise.
        every: seconds between two calls.
    """

    def __init__(self, name: str, call: Callable[[], object], every: float) -> None:
        self.name = name
        self.problem = ""
        """Why the last call failed; "" where it did not."""
        self._call = call
        self._every = every
        self._stopped = Event()
        self._lock = Lock()
        self._thread: Thread | None = None

    def start(self, at_once: bool = False) -> None:
        """Begin, where it has not begun.

        Args:
            at_once: call the first time here and now; who comes meanwhile waits until it is done.
        """
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._stopped.is_set():
                    if at_once:
                        self._once()
                    thread = Thread(target=self._run, name=f"tunesmith-{self.name}", daemon=True)
                    thread.start()
                    self._thread = thread

    def close(self) -> None:
        """Stop, and wait until a call that runs has ended."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self._once()

    def _once(self) -> None:
        try:
            self._call()
        except Exception as error:  # a store that is away for a minute must not end this for good
            if not self.problem:
                log.warning("%s: %s; will be tried again", self.name, " ".join(str(error).split()))
            self.problem = f"{type(error).__name__}: {error}"
        else:
            if self.problem:
                log.warning("%s: works again", self.name)
            self.problem = ""

"""What runs the jobs: a task in the event loop that takes the oldest, of another key where it can.

Nothing is kept in memory that is not on the disk, so that a process can be killed at any moment, and another one that
shares the folder can go on; a lock on the folder says which one of them does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tunesmith.core.lock import locked
from tunesmith.service.jobs import places
from tunesmith.service.jobs.batch import Batch
from tunesmith.service.jobs.batches import Batches

log = logging.getLogger(__name__)

Run = Callable[[Path, Batch], Awaitable[Batch]]
"""Runs a job to its end, whatever that is, and gives what it is then."""
LOOK = 1.0
"""Seconds between looks at the folder, where nobody says that there is something new."""
PURGE = 3600.0


class Runner:
    """Runs jobs until it is stopped.

    Args:
        batches: the jobs.
        run: runs one.
    """

    def __init__(self, batches: Batches, run: Run) -> None:
        self._batches, self._run = batches, run
        self._running: dict[Path, tuple[str, asyncio.Task[Batch]]] = {}
        self._new = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lock = -1

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._forever())

    def wake(self) -> None:
        """There is a new job."""
        self._new.set()

    async def stop(self) -> None:
        """Stop at once. What a chunk that is not written had cost is asked again, and not counted again."""
        tasks = [task for _, task in self._running.values()] + ([self._task] if self._task else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def _forever(self) -> None:
        purged = 0.0
        while True:
            try:
                if self._locked():
                    await self._look()
                    if time.monotonic() - purged > PURGE:
                        await asyncio.to_thread(self._batches.purge)
                        await asyncio.to_thread(self._batches.files.purge)
                        purged = time.monotonic()
            except OSError:
                log.exception("the jobs' folder cannot be read; tried again in %g s", LOOK)
            self._new.clear()
            waits = {asyncio.create_task(self._new.wait()), *(task for _, task in self._running.values())}
            await asyncio.wait(waits, timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
            for task in waits - {task for _, task in self._running.values()}:
                task.cancel()

    async def _look(self) -> None:
        for path, (_, task) in list(self._running.items()):
            if task.done():
                del self._running[path]
                if not task.cancelled() and (error := task.exception()):
                    log.error("%s stopped; it is tried again", path.name, exc_info=error)
        waiting = [pair for pair in await asyncio.to_thread(self._batches.waiting) if pair[0] not in self._running]
        while waiting and len(self._running) < self._batches.settings.at_once:
            busy = {key for key, _ in self._running.values()}
            path, batch = next((pair for pair in waiting if pair[1].key not in busy), waiting[0])
            waiting.remove((path, batch))
            self._running[path] = (batch.key, asyncio.create_task(self._one(path, batch)))

    async def _one(self, path: Path, batch: Batch) -> Batch:
        ended = await self._run(path, batch)
        await asyncio.to_thread(_tidied, path, ended)
        return ended

    def _locked(self) -> bool:
        """Whether this process is the one that runs the folder's jobs."""
        if self._lock >= 0:
            return True
        if not self._batches.base.is_dir():
            return False  # nobody has uploaded anything yet
        lock = os.open(self._batches.base / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            ours = locked(lock)
        except OSError:
            ours = False
        if ours:
            self._lock = lock
        else:
            os.close(lock)
        return ours


def _tidied(path: Path, batch: Batch) -> None:
    """A job that has ended does not need its file any more."""
    (path / f"data{batch.suffix}").unlink(missing_ok=True)
    (path / places.CANCEL).unlink(missing_ok=True)

"""Jobs below a folder: made, found, cancelled, removed. Who runs them is ``runner``."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tunesmith.service.caller import Caller
from tunesmith.service.jobs import places
from tunesmith.service.jobs.batch import ENDED, Batch, remembered
from tunesmith.service.jobs.files import DAY, Files, folder
from tunesmith.service.problems import Refused
from tunesmith.service.request_id import new_id

MAKING = 60
"""Seconds after which who was making a job has died over it."""


class Batches:
    """The jobs beside the files.

    Args:
        files: what jobs are on.
        clock: seconds since 1970.
    """

    def __init__(self, files: Files, *, clock: Callable[[], float] = time.time) -> None:
        self.files, self.base, self.settings, self._clock = files, files.base, files.settings, clock

    def make(
        self,
        caller: Caller,
        product: str,
        file: str,
        columns: Mapping[str, str],
        metadata: Mapping[str, str],
        own: str | None = None,
    ) -> Batch:
        """A job that waits to be run.

        Args:
            caller: who asks.
            product: what is asked.
            file: the id of the file.
            columns: role -> column.
            metadata: the client's own.
            own: the client's name for this request (``Idempotency-Key``). Asked again under it, the job that was made
                is found and no other is made, for as long as jobs are kept.

        Raises:
            Refused: there is no such file (404), too many jobs wait (429), or ``own`` named another job (409).
        """
        if own is None:
            return self._made(caller, product, file, columns, metadata, new_id("batch"))
        id = f"batch_{hashlib.sha256(own.encode()).hexdigest()[:24]}"
        path = places.folder_of(self.base, caller.key, "batches") / id
        before = Batch.read(path)
        if before is None:
            if path.exists() and path.stat().st_mtime < self._clock() - MAKING:
                places.remove(path)
            try:
                return self._made(caller, product, file, columns, metadata, id)
            except FileExistsError:
                raise Refused(409, "batch_being_made", "This batch is being made.", retry_after=1) from None
        if (before.product, before.file, before.columns, before.metadata) != (product, file, columns, metadata):
            raise Refused(
                409, "idempotency_key_reused", f"This Idempotency-Key made {id}, which asks something else.",
                param="Idempotency-Key",
            )  # fmt: skip
        return before

    def _made(
        self, caller: Caller, product: str, file: str, columns: Mapping[str, str], metadata: Mapping[str, str], id: str
    ) -> Batch:
        source, about = self.files.path(caller.key, file), self.files.find(caller.key, file)
        if sum(1 for one in self.all(caller.key) if one.status not in ENDED) >= self.settings.waiting:
            raise Refused(
                429, "too_many_batches", f"{self.settings.waiting} jobs of this key are not done yet.", retry_after=60
            )
        made = folder(self.base, caller.key, "batches", id)
        batch = Batch(
            made.name, caller.key, product, about.id, about.name, about.suffix, self._clock(), remembered(caller),
            dict(columns), dict(metadata),
        )  # fmt: skip
        _link(source / f"data{about.suffix}", made / f"data{about.suffix}")
        batch.write(made)
        return batch

    def find(self, key: str, id: str) -> Batch:
        """A job of the key; raises Refused (404)."""
        found = Batch.read(self.path(key, id))
        if found is None:
            raise Refused(404, "batch_not_found", "There is no such batch.", param="id")
        return found

    def path(self, key: str, id: str) -> Path:
        """The folder of a job of the key; raises Refused (404)."""
        return places.place(self.base, key, "batches", id)

    def all(self, key: str) -> list[Batch]:
        """The key's jobs, the newest first."""
        found = [Batch.read(path) for path in places.all_of(self.base, "batches", key)]
        return sorted((one for one in found if one), key=lambda batch: (-batch.at, batch.id))

    def waiting(self) -> list[tuple[Path, Batch]]:
        """All jobs of all keys that are not done, the oldest first."""
        return sorted(self._unended(), key=lambda pair: (pair[1].at, pair[1].id))

    def cancel(self, key: str, id: str) -> Batch:
        """Ask that a job ends; it does after the rows that are being computed."""
        path, found = self.path(key, id), self.find(key, id)
        if found.status in ENDED:
            raise Refused(409, "batch_ended", f"The batch is {found.status} already.")
        (path / places.CANCEL).touch()
        return found

    def output(self, key: str, id: str) -> Path:
        """The file of a job's answers; raises Refused (404, or 409 while it runs)."""
        path, found = self.path(key, id), self.find(key, id)
        if found.status not in ENDED:
            raise Refused(409, "batch_not_ended", f"The batch is {found.status}; {found.done} rows are answered.")
        if not found.bytes:
            raise Refused(404, "no_output", "The batch has no answers.")
        return path / places.OUTPUT

    def purge(self) -> int:
        """Remove jobs that have ended long ago, and half-made ones."""
        before, removed = self._clock() - self.settings.keep_days * DAY, 0
        for path in places.all_of(self.base, "batches"):
            batch = Batch.read(path)
            ended = (batch.ended if batch.status in ENDED else None) if batch else path.stat().st_mtime
            if ended is not None and ended < before:
                places.remove(path)
                removed += 1
        return removed

    def _unended(self) -> Iterator[tuple[Path, Batch]]:
        for path in places.all_of(self.base, "batches"):
            batch = Batch.read(path)
            if batch is not None and batch.status not in ENDED:
                yield path, batch


def _link(source: Path, target: Path) -> None:
    """The job's own name for the file, so that it stays when the client deletes it."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise Refused(404, "file_not_found", "There is no such file.", param="file") from None
    except OSError:  # a file system without links
        shutil.copyfile(source, target)

"""Batches become one table: in memory while small, in a memory-mapped temporary file when large."""

from __future__ import annotations

import atexit
import os
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from tunesmith.data.cells import common_schema, fitted, plain_batch

MEMORY_LIMIT = 32 * 2**20
"""Bytes of batches that are kept in memory before they go to disk."""

PREFIX, SUFFIX = "tunesmith-", ".arrow"
STALE = 24 * 3600
"""Seconds after which a temporary file that lies there is no one's: of a process that died, or on Windows."""


class Spill:
    """Takes record batches, gives a table.

    Args:
        limit: bytes kept in memory.
    """

    def __init__(self, limit: int = MEMORY_LIMIT) -> None:
        self.limit = limit
        self.rows = 0
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._segments: list[_Segment] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Take one batch; its schema may differ from those before."""
        batch = plain_batch(batch)
        self.rows += batch.num_rows
        self._waiting.append(batch)
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes > self.limit:
            self._flush()

    def table(self) -> pa.Table:
        """All batches as one table. Columns whose types differ between batches become text."""
        if self._segments:
            self._flush()
        batches = [b for segment in self._segments for b in segment.batches()] + self._waiting
        schema = common_schema([b.schema for b in batches])
        return pa.Table.from_batches([fitted(b, schema) for b in batches], schema)

    def _flush(self) -> None:
        for batch in self._waiting:
            if not self._segments or not self._segments[-1].schema.equals(batch.schema):
                self._segments.append(_Segment(batch.schema))
            self._segments[-1].write(batch)
        self._waiting, self._waiting_bytes = [], 0


class _Segment:
    """A temporary Arrow file of batches with one schema, gone from the folder as soon as it is mapped."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        remove_stale()
        handle, self.path = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX)
        os.close(handle)
        self._writer: Any = pa.ipc.new_file(self.path, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def batches(self) -> list[pa.RecordBatch]:
        self._writer.close()
        reader = pa.ipc.open_file(pa.memory_map(self.path))
        found = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        # The mapping keeps the bytes; without a name nothing is left behind, even after a crash.
        try:
            os.unlink(self.path)
        except OSError:  # Windows removes no file that is mapped
            atexit.register(_remove, self.path)
        return found


@cache
def remove_stale(folder: str | None = None) -> None:
    """Remove temporary files that were written by no process of today: once a process, and a folder.

    Args:
        folder: None: that of temporary files.
    """
    before = time.time() - STALE
    for path in Path(folder or tempfile.gettempdir()).glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):  # another user's, or still mapped
            if path.stat().st_mtime < before:
                path.unlink()


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)

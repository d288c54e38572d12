"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.cells import batch_of
from tunesmith.data.dialect import MAX_CELL
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.csv import too_long
from tunesmith.data.sources.source import BATCH_ROWS, Reading, Source


class JsonLines(Source):
    """One JSON object a line; lines that are none are put aside.

    Args:
        encoding: None: detected.
    """

    name = "jsonl"
    summary = "JSON lines, also gzipped"
    suffixes = (".jsonl", ".ndjson", ".jsonlines")

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's objects."""
        encoding = detect(path, self.encoding)
        reading.encoding = encoding.name
        waiting: list[dict[str, Any]] = []
        with open_text(path, encoding.name) as file:
            for number, line in enumerate(file, 1):
                if len(line) > MAX_CELL // 4:
                    raise too_long(path, number)
                row = _row(line, path, number, reading)
                if row is not None:
                    waiting.append(row)
                if len(waiting) == BATCH_ROWS:
                    yield batch_of(waiting)
                    waiting = []
        if waiting:
            yield batch_of(waiting)


def _row(line: str, path: str, number: int, reading: Reading) -> dict[str, Any] | None:
    if not line.strip():
        return None
    if MARK in line:
        reason = f"bytes that are not {reading.encoding}"
    else:
        try:
            value = json.loads(line)
            if isinstance(value, dict):
                return value
            reason = f"a {type(value).__name__}, not an object"
        except ValueError as error:
            reason = f"not JSON: {error}"
    reading.broken.append(BrokenRow(path, number, reason, line.rstrip("\r\n").replace(MARK, "")))
    return None

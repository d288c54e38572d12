"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.dialect import MAX_CELL
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.csv import too_long
from tunesmith.data.sources.source import Reading, Source, batched


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
        yield from batched(row for _, row in objects(path, self.encoding, reading))


def objects(path: str, encoding: str | None, reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of a file of JSON lines; lines that are none go to ``reading``.

    Raises:
        DataError: a line is longer than any text.
    """
    reading.encoding = detect(path, encoding).name
    with open_text(path, reading.encoding) as file:
        for number, line in enumerate(file, 1):
            if len(line) > MAX_CELL // 4:
                raise too_long(path, number)
            row = _row(line, path, number, reading)
            if row is not None:
                yield number, row


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

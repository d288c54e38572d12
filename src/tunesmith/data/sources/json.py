"""JSON: a list of objects, such a list under a key, or a mapping of columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tunesmith.core.errors import DataError
from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.cells import batch_of
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.jsonl import JsonLines
from tunesmith.data.sources.source import BATCH_ROWS, Reading, Source


class Json(Source):
    """One JSON value, read whole: large data is better kept as JSON lines or Parquet.

    Args:
        encoding: None: detected.
    """

    name = "json"
    summary = "JSON: a list of objects, or columns by name, also gzipped"
    suffixes = (".json",)

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The value's rows. A file of JSON lines is read as these, whatever its name."""
        encoding = detect(path, self.encoding)
        reading.encoding = encoding.name
        with open_text(path, encoding.name) as file:
            text = file.read()
        if not text.strip():
            return
        try:
            value = json.loads(text)
        except ValueError as error:
            if text.lstrip().startswith("{") and "Extra data" in str(error):
                yield from JsonLines(self.encoding).batches(path, reading)
                return
            raise DataError(f"{path} is not JSON: {error}.", "Mend the file at that place.") from error
        rows = _rows(value, path, reading)
        for start in range(0, len(rows), BATCH_ROWS):
            yield batch_of(rows[start : start + BATCH_ROWS])


def _rows(value: Any, path: str, reading: Reading) -> list[dict[str, Any]]:
    found = _records(value)
    if found is None:
        raise DataError(
            f"{path} holds a JSON {type(value).__name__} without rows.",
            'Give a list of objects, [{"text": ..., "label": ...}, ...], or {"text": [...], "label": [...]}.',
        )
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(found, 1):
        text = json.dumps(item, ensure_ascii=False)
        if isinstance(item, dict) and MARK not in text:
            rows.append(item)
        else:
            reason = "bytes that do not decode" if MARK in text else f"a {type(item).__name__}, not an object"
            reading.broken.append(BrokenRow(path, number, reason, text.replace(MARK, "")))
    return rows


def _records(value: Any) -> list[Any] | None:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or not value:
        return None
    lists = {k: v for k, v in value.items() if isinstance(v, list)}
    if len(lists) == len(value) and len({len(v) for v in lists.values()}) == 1 and not _objects(lists):
        return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
    of_objects = _objects(lists)
    return of_objects[0] if len(of_objects) == 1 else None


def _objects(lists: dict[str, list[Any]]) -> list[list[Any]]:
    return [v for v in lists.values() if v and all(isinstance(item, dict) for item in v)]

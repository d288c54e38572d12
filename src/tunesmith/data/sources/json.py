"""JSON: a list of objects, such a list under a key, or a mapping of columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tunesmith.core.errors import DataError
from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.jsonl import JsonLines
from tunesmith.data.sources.source import Reading, Source, batched


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
        value = value_of(path, self.encoding, reading)
        if value is LINES:
            yield from JsonLines(self.encoding).batches(path, reading)
        elif value is not None:
            yield from batched(_rows(value, path, reading))


LINES = object()
"""Says that a file is not one value, but one a line."""


def value_of(path: str, encoding: str | None, reading: Reading) -> Any:
    """The file's JSON value; None where it is empty, ``LINES`` where it is JSON lines.

    Raises:
        DataError: it is not JSON, with the place.
    """
    reading.encoding = detect(path, encoding).name
    with open_text(path, reading.encoding) as file:
        text = file.read()
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith("{") and "Extra data" in str(error):
            return LINES
        raise DataError(f"{path} is not JSON: {error}.", "Mend the file at that place.") from error


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

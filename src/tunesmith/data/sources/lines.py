"""Plain text: one text a line."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.cells import batch_of
from tunesmith.data.dialect import DELIMITERS
from tunesmith.data.encoding import detect
from tunesmith.data.quoting import FIELDS
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.csv import SAMPLE, Csv
from tunesmith.data.sources.source import BATCH_ROWS, Reading, Source
from tunesmith.data.words import is_known


class Lines(Source):
    """One text a line, in a column ``text``. A .txt file of columns divided by tabs or bars is read as these.

    Args:
        encoding: None: detected.
        delimiter: None: detected; given: the file is delimited.
    """

    name = "lines"
    summary = "plain text, one text a line, also gzipped"
    suffixes = (".txt", ".text")

    def __init__(self, encoding: str | None = None, delimiter: str | None = None) -> None:
        self.encoding = encoding
        self.delimiter = delimiter

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's lines that are not blank."""
        encoding = detect(path, self.encoding)
        reading.encoding = encoding.name
        with open_text(path, encoding.name) as file:
            sample = file.read(SAMPLE)
        if delimiter := self.delimiter or _table_delimiter(sample):
            yield from Csv(self.encoding, delimiter).batches(path, reading)
            return
        waiting: list[dict[str, str]] = []
        with open_text(path, encoding.name) as file:
            for number, line in enumerate(file, 1):
                text = line.strip()
                if MARK in text:
                    reason = f"bytes that are not {encoding.name}"
                    reading.broken.append(BrokenRow(path, number, reason, text.replace(MARK, "")))
                elif text:
                    waiting.append({"text": text})
                if len(waiting) == BATCH_ROWS:
                    yield batch_of(waiting)
                    waiting = []
        if waiting:
            yield batch_of(waiting)


def _table_delimiter(sample: str) -> str | None:
    """What divides a table; None for prose and verse, whose lines may well have a comma each.

    Tabs and bars make a table where each line has as many; signs of prose only under a header of known names.
    """
    lines = [line for line in sample.splitlines() if line.strip()][:-1] or sample.splitlines()
    if len(lines) < 2:
        return None
    for delimiter in DELIMITERS:
        if not lines[0].count(delimiter) or len({line.count(delimiter) for line in lines}) > 1:
            continue
        if delimiter in FIELDS or len(lines) > 5 and all(is_known(cell) for cell in lines[0].split(delimiter)):
            return delimiter
    return None

"""Plain text: one text a line."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.cells import batch_of
from tunesmith.data.dialect import find_dialect
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.csv import SAMPLE, Csv
from tunesmith.data.sources.source import BATCH_ROWS, Reading, Source


class Lines(Source):
    """One text a line, in a column ``text``. A .txt file with delimited columns is read as these.

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
        if self.delimiter or _is_table(sample):
            yield from Csv(self.encoding, self.delimiter).batches(path, reading)
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


def _is_table(sample: str) -> bool:
    """Prose has commas and semicolons, but not the same number of tabs or bars in every line."""
    lines = [line for line in sample.splitlines() if line.strip()][:-1] or sample.splitlines()
    dialect = find_dialect(sample, prefer="\t")
    if len(dialect.names) < 2 or len(lines) < 2:
        return False
    even = len({line.count(dialect.delimiter) for line in lines}) == 1
    return even and (dialect.delimiter in "\t|\x01" or dialect.header and len(lines) > 5)

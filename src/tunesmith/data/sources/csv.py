"""CSV, TSV and other delimited text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from tunesmith.core.errors import DataError
from tunesmith.data.bytestream import MARK, Utf8Stream, is_gzip, open_text
from tunesmith.data.dialect import MAX_CELL, Dialect, find_dialect, is_plain_header, reader_of, wide_cells
from tunesmith.data.encoding import Encoding, detect
from tunesmith.data.quoting import quotes_are_text
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.source import BATCH_ROWS, Reading, Source

SAMPLE = 2**18


class Csv(Source):
    """Delimited text: the delimiter, encoding and header are found where they are not given.

    Every cell is text: what is a number is decided by who reads the column.

    Args:
        encoding: None: detected.
        delimiter: one character; None: detected.
    """

    name = "csv"
    summary = "CSV, TSV and other delimited text, also gzipped"
    suffixes = (".csv", ".tsv", ".tab", ".psv")

    def __init__(self, encoding: str | None = None, delimiter: str | None = None) -> None:
        self.encoding = encoding
        self.delimiter = delimiter

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's records."""
        encoding = detect(path, self.encoding)
        with open_text(path, encoding.name) as file:
            sample = file.read(SAMPLE)
        prefer = "\t" if re.search(r"\.(tsv|tab)(\.gz)?$", path.lower()) else ","
        dialect = find_dialect(sample, delimiter=self.delimiter, prefer=prefer, whole=len(sample) < SAMPLE)
        if _swallows(path, encoding, dialect, sample):
            dialect = replace(dialect, quoted=False, escape=False)
        reading.encoding, reading.delimiter = encoding.name, dialect.delimiter
        reading.names = dialect.names if dialect.header else []
        if not dialect.header and dialect.names:
            reading.note(f"{path} has no header: its columns are called {', '.join(dialect.names)}.")
        if dialect.header and not is_plain_header(dialect.names):
            shown = ", ".join(f'"{name}"' for name in dialect.names[:5])
            reading.note(f"{path}: the first line was taken as the header: {shown}. If it is a row, put names above.")
        if not dialect.quoted:
            reading.note(f"{path}: some quotes enclose no cell; quotes are read as signs of the text.")
        if not dialect.names:
            return
        found = _by_arrow if dialect.delimiter.isascii() else _by_python
        for batch in found(path, encoding, dialect, reading):
            yield batch if encoding.clean else _without_marked(batch, path, reading)


def _swallows(path: str, encoding: Encoding, dialect: Dialect, sample: str) -> bool:
    """Whether a quote behind the sample shows that quotes are text."""
    if not dialect.quoted or len(sample) < SAMPLE or not dialect.delimiter.isascii():
        return False
    with _stream(path, encoding) as file:
        blocks = iter(lambda: file.read(2**20), b"")
        return quotes_are_text(blocks, dialect.delimiter, escape=dialect.escape)


def _by_arrow(path: str, encoding: Encoding, dialect: Dialect, reading: Reading) -> Iterator[pa.RecordBatch]:
    def put_aside(row: Any) -> str:
        if row.text.strip():
            _put_aside(reading, path, row.number or 0, (row.actual_columns, row.expected_columns), row.text)
        return "skip"

    raw = dialect.names if dialect.header else [f"f{i}" for i in range(len(dialect.names))]
    rows = 0
    try:
        reader = pa.csv.open_csv(
            _stream(path, encoding),
            # Only a single thread tells the handler which record it was.
            pa.csv.ReadOptions(
                use_threads=False, block_size=MAX_CELL // 4, autogenerate_column_names=not dialect.header
            ),
            pa.csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if dialect.quoted else False,
                double_quote=dialect.quoted and not dialect.escape,
                escape_char="\\" if dialect.escape else False,
                newlines_in_values=dialect.quoted,
                invalid_row_handler=put_aside,
            ),
            pa.csv.ConvertOptions(
                column_types={name: pa.large_string() for name in _raw_names(path, encoding, dialect, raw)},
                strings_can_be_null=False,
            ),
        )
        for batch in reader:
            rows += batch.num_rows
            yield batch.rename_columns(dialect.names)
    except pa.ArrowInvalid as error:
        if "straddling" in str(error):
            raise too_long(path, rows + len(reading.broken) + 1 + dialect.header) from None
        if "Empty CSV" in str(error):
            return
        raise DataError(f"{path} cannot be read as CSV: {' '.join(str(error).split())}", "Check the file.") from error


def _put_aside(reading: Reading, path: str, line: int, cells: tuple[int, int], text: str) -> None:
    lines = text.strip("\r\n").count("\n") + 1
    over = f", over {lines} lines: a quote may never be closed" if lines > 1 else ""
    reading.broken.append(BrokenRow(path, line, f"{cells[0]} cells instead of {cells[1]}{over}", text, lines))


def too_long(path: str, line: int) -> DataError:
    """The error for a row beyond ``MAX_CELL``."""
    return DataError(
        f"{path}: the row at about line {line} is longer than {MAX_CELL // 4 // 2**20} MB.",
        "Probably a quote is never closed there: mend that line, or split the text into several rows.",
    )


def _raw_names(path: str, encoding: Encoding, dialect: Dialect, generated: list[str]) -> list[str]:
    """The header's cells as they stand in the file: by these Arrow looks types up."""
    if not dialect.header:
        return generated
    with open_text(path, encoding.name) as file, wide_cells():
        reader = reader_of(file, dialect.delimiter, dialect.escape, dialect.quoted)
        return next((row for row in reader if row), [])


def _stream(path: str, encoding: Encoding) -> Any:
    if encoding.clean and encoding.name in ("utf-8", "utf-8-sig", "ascii"):
        file = pa.OSFile(path)
        return pa.CompressedInputStream(file, "gzip") if is_gzip(path) else file
    return pa.PythonFile(Utf8Stream(path, encoding.name), mode="r")


def _without_marked(batch: pa.RecordBatch, path: str, reading: Reading) -> pa.RecordBatch:
    """Put rows aside that hold bytes which did not decode."""
    marked: Any = None
    for column in batch.columns:
        here = pc.match_substring(column, MARK)
        marked = here if marked is None else pc.or_(marked, here)
    if not pc.any(marked).as_py():
        return batch
    for row in batch.filter(marked).to_pylist():
        text = (reading.delimiter or ",").join(row.values()).replace(MARK, "")
        reading.broken.append(BrokenRow(path, 0, f"bytes that are not {reading.encoding}", text))
    return batch.filter(pc.invert(marked))


def _by_python(path: str, encoding: Encoding, dialect: Dialect, reading: Reading) -> Iterator[pa.RecordBatch]:
    """The same by Python's csv, for delimiters that are not ASCII."""
    width = len(dialect.names)
    with open_text(path, encoding.name) as file, wide_cells():
        reader = reader_of(file, dialect.delimiter, quoted=dialect.quoted)
        rows = (row for row in chain(reader) if row)
        if dialect.header:
            next(rows, None)
        batch: list[list[str]] = []
        try:
            for row in rows:
                if len(row) != width:
                    _put_aside(reading, path, reader.line_num, (len(row), width), dialect.delimiter.join(row))
                    continue
                batch.append(row)
                if len(batch) == BATCH_ROWS:
                    yield _columns(batch, dialect.names)
                    batch = []
        except csv.Error:
            raise too_long(path, reader.line_num) from None
        if batch:
            yield _columns(batch, dialect.names)


def _columns(rows: list[list[str]], names: list[str]) -> pa.RecordBatch:
    arrays = [pa.array(column, pa.large_string()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=names)

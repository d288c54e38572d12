"""Excel workbooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.core.extras import need
from tunesmith.data.cells import batch_of
from tunesmith.data.dialect import unique_names
from tunesmith.data.sources.source import BATCH_ROWS, Reading, Source


class Excel(Source):
    """A sheet of an .xlsx workbook; its first row names the columns.

    Args:
        sheet: its name; None: the first one that has rows.
    """

    name = "excel"
    summary = "Excel (.xlsx), one sheet"
    suffixes = (".xlsx", ".xlsm")

    def __init__(self, sheet: str | None = None) -> None:
        self.sheet = sheet

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The sheet's rows; wholly empty ones are left out."""
        openpyxl = need("openpyxl", extra="excel", purpose="reading Excel files")
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except Exception as error:  # openpyxl raises KeyError, BadZipFile, InvalidFileException ...
            raise DataError(f"{path} is not an Excel workbook: {error}", "Save it again as .xlsx or .csv.") from error
        try:
            yield from _batches(self._chosen(book, path, reading), reading)
        finally:
            book.close()

    def _chosen(self, book: Any, path: str, reading: Reading) -> Any:
        if self.sheet is not None:
            if self.sheet not in book.sheetnames:
                hint = did_you_mean(self.sheet, book.sheetnames)
                raise DataError(f'{path} has no sheet "{self.sheet}".', hint)
            return book[self.sheet]
        full = [s for s in book.worksheets if next(s.iter_rows(min_row=2, max_row=2), None)]
        chosen = (full or book.worksheets)[0]
        if len(book.worksheets) > 1:
            reading.note(f'{path} has {len(book.worksheets)} sheets; "{chosen.title}" was read.')
        return chosen


def _batches(sheet: Any, reading: Reading) -> Iterator[pa.RecordBatch]:
    rows = (row for row in sheet.iter_rows(values_only=True) if any(c not in (None, "") for c in row))
    header = next(rows, None)
    if header is None:
        return
    names = unique_names(["" if c is None else str(c) for c in header])
    reading.names = names
    waiting: list[dict[str, Any]] = []
    for row in rows:
        waiting.append(dict(zip(names, row, strict=False)))
        if len(waiting) == BATCH_ROWS:
            yield batch_of(waiting)
            waiting = []
    if waiting:
        yield batch_of(waiting)

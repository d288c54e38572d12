"""How a delimited file is written: delimiter, header, escapes. Found by trying, not by the file's name."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tunesmith.core.errors import DataError

DELIMITERS = ("\t", ";", "|", ",", "\x01", "，", "；")
MAX_CELL = 16 * 2**20
"""Bytes of the largest row. A larger one is nearly always a quote that was never closed."""


@dataclass(frozen=True)
class Dialect:
    """How cells and rows are told apart."""

    delimiter: str
    names: list[str]
    header: bool
    escape: bool = False
    """Quotes inside cells are written ``\\"`` instead of ``""``."""


def find_dialect(sample: str, *, delimiter: str | None = None, prefer: str = ",", whole: bool = False) -> Dialect:
    """The dialect under which most records have as many cells as the first.

    Args:
        sample: the start of the file.
        delimiter: the one given by the user, if any.
        prefer: the one that the file's name suggests; it wins ties.
        whole: whether the sample is the whole file; otherwise its last record is cut and not counted.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise DataError(f"data.delimiter is {delimiter!r}; it must be one character.", 'For tabs: "\\t".')
    candidates = [delimiter] if delimiter else [prefer, *(d for d in DELIMITERS if d != prefer)]
    escapes = (False, True) if '\\"' in sample else (False,)
    trials = [(d, e, records(sample, d, e, whole)) for d in candidates for e in escapes]
    best = max(trials, key=lambda t: _consistency(t[2], delimiter is not None))
    if not delimiter and _consistency(best[2], False) == 0:
        best = (prefer, False, records(sample, prefer, False, whole))
    rows = best[2]
    if not rows:
        return Dialect(best[0], [], True, best[1])
    header = has_header(rows)
    names = unique_names(rows[0]) if header else [f"column_{i + 1}" for i in range(len(rows[0]))]
    return Dialect(best[0], names, header, best[1])


def records(text: str, delimiter: str, escape: bool, whole: bool, most: int = 1000) -> list[list[str]]:
    """The first records of a text under a dialect, blank lines left out."""
    found: list[list[str]] = []
    with wide_cells():
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=delimiter,
            escapechar="\\" if escape else None,
            doublequote=not escape,
        )
        try:
            for row in reader:
                if row:
                    found.append(row)
                if len(found) >= most:
                    return found
        except csv.Error:
            return found
    return found if whole or len(found) < 2 else found[:-1]


def _consistency(rows: list[list[str]], forced: bool) -> float:
    if not rows or (len(rows[0]) < 2 and not forced):
        return 0.0
    width = len(rows[0])
    same = sum(len(row) == width for row in rows) / len(rows)
    # With nothing but a header every delimiter in it is consistent: the one with more cells is likelier.
    return same + 1e-4 * min(width, 50)


def has_header(rows: list[list[str]]) -> bool:
    """Whether the first record names columns: its cells are short, no numbers, and not seen again below."""
    first, body = rows[0], rows[1:]
    if [c.strip() for c in first] == [str(i) for i in range(len(first))]:
        return True
    if any(is_number(c) or len(c) > 80 for c in first):
        return False
    for i, cell in enumerate(first):
        column = Counter(row[i].strip() for row in body if i < len(row))
        if cell.strip() and column[cell.strip()] >= 2 and column[cell.strip()] > 0.02 * len(body):
            return False
    return True


def is_number(cell: str) -> bool:
    """Whether a cell reads as a finite number."""
    try:
        return abs(float(cell)) < float("inf")
    except ValueError:
        return False


def unique_names(cells: list[str]) -> list[str]:
    """Column names: stripped, empty ones numbered, repeated ones told apart."""
    names: list[str] = []
    for i, cell in enumerate(cells):
        name = cell.strip().lstrip("\ufeff") or f"column_{i + 1}"
        count = 1
        while name in names:
            count += 1
            name = f"{cell.strip() or 'column'}_{count}"
        names.append(name)
    return names


@contextmanager
def wide_cells() -> Iterator[None]:
    """Let Python's csv read cells up to ``MAX_CELL``; its limit is global, so it is put back."""
    before = csv.field_size_limit(MAX_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)

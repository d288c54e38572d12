"""How a delimited file is written: delimiter, header, escapes. Found by trying, not by the file's name."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from tunesmith.core.errors import DataError
from tunesmith.data.quoting import quotes_are_text
from tunesmith.data.words import is_known

DELIMITERS = ("\t", ";", "|", ",", "\x01", "，", "；")
MAX_CELL = 16 * 2**20
"""Bytes of the largest row. A larger one is nearly always a quote that was never closed."""

CLAUSE = 4
"""Words from which on a cell may be a sentence rather than a name."""


@dataclass(frozen=True)
class Dialect:
    """How cells and rows are told apart."""

    delimiter: str
    names: list[str]
    header: bool
    escape: bool = False
    """Quotes inside cells are written ``\\"`` instead of ``""``."""
    quoted: bool = True
    """Quotes enclose cells; otherwise they are signs like any other."""


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
    trials = [trial for d in candidates for trial in _trials(sample, d, whole)]
    best = max(trials, key=lambda t: _consistency(t.rows, delimiter is not None))
    if not delimiter and _consistency(best.rows, False) == 0:
        best = next(_trials(sample, prefer, whole))
    rows, found = best.rows, (best.escape, best.quoted)
    if not rows:
        return Dialect(best.delimiter, [], True, *found)
    header = has_header(rows)
    names = unique_names(rows[0]) if header else [f"column_{i + 1}" for i in range(len(rows[0]))]
    return Dialect(best.delimiter, names, header, *found)


class _Trial(NamedTuple):
    delimiter: str
    escape: bool
    quoted: bool
    rows: list[list[str]]


def _trials(sample: str, delimiter: str, whole: bool) -> Iterator[_Trial]:
    """Records under a delimiter: quoted, with escaped quotes if there are any; or plain, where quotes are text."""
    escapes = (False, True) if '\\"' in sample else (False,)
    if '"' in sample and all(
        quotes_are_text([sample.encode("utf-8", "replace")], delimiter, escape=e, whole=whole) for e in escapes
    ):
        yield _Trial(delimiter, False, False, records(sample, delimiter, False, whole, quoted=False))
        return
    for escape in escapes:
        yield _Trial(delimiter, escape, True, records(sample, delimiter, escape, whole))


def records(
    text: str, delimiter: str, escape: bool, whole: bool, most: int = 1000, quoted: bool = True
) -> list[list[str]]:
    """The first records of a text under a dialect, blank lines left out."""
    found: list[list[str]] = []
    with wide_cells():
        reader = reader_of(io.StringIO(text, newline=""), delimiter, escape, quoted)
        try:
            for row in reader:
                if row:
                    found.append(row)
                if len(found) >= most:
                    return found
        except csv.Error:
            return found
    return found if whole or len(found) < 2 else found[:-1]


def reader_of(lines: Iterable[str], delimiter: str, escape: bool = False, quoted: bool = True) -> Any:
    """Python's reader of a dialect."""
    return csv.reader(
        lines,
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        escapechar="\\" if escape else None,
        doublequote=not escape,
    )


def _consistency(rows: list[list[str]], forced: bool) -> float:
    if not rows or (len(rows[0]) < 2 and not forced):
        return 0.0
    width = len(rows[0])
    same = sum(len(row) == width for row in rows) / len(rows)
    # With nothing but a header every delimiter in it is consistent: the one with more cells is likelier.
    return same + 1e-4 * min(width, 50)


def has_header(rows: list[list[str]]) -> bool:
    """Whether the first record names columns: its cells are short, no numbers, not seen again below, and no sentences
    above sentences.
    """
    first, body = rows[0], rows[1:]
    if [c.strip() for c in first] == [str(i) for i in range(len(first))]:
        return True
    if any(is_number(c) or len(c) > 80 for c in first):
        return False
    for i, cell in enumerate(first):
        column = Counter(row[i].strip() for row in body if i < len(row))
        if cell.strip() and column[cell.strip()] >= 2 and column[cell.strip()] > 0.02 * len(body):
            return False
    below = [[row[i] for row in body if i < len(row) and row[i].strip()] for i in range(len(first))]
    named = any(is_known(cell) or _shorter(cell, column) for cell, column in zip(first, below, strict=True))
    return named or not any(_like_sentences(cell, column) for cell, column in zip(first, below, strict=True))


def is_plain_header(names: list[str]) -> bool:
    """Whether names can be nothing else: one is known, or none is as long as a clause or ends like one."""
    return any(map(is_known, names)) or not any(_ends(name) or _words(name) >= CLAUSE for name in names)


def _like_sentences(cell: str, column: list[str]) -> bool:
    """Whether a cell is a sentence as most of the cells below are: by its end, or by its length."""
    if not column or _asks(cell) and sum(map(_asks, column)) < 0.05 * len(column):  # a question above its answers
        return False
    if _ends(cell):
        return sum(map(_ends, column)) >= 0.5 * len(column)
    return _words(cell) >= CLAUSE and median(map(_words, column)) >= CLAUSE


def _shorter(cell: str, column: list[str]) -> bool:
    """Whether a cell is far shorter than those below, and no sentence."""
    return not _ends(cell) and bool(column) and len(cell) < 0.3 * median(map(len, column))


def _asks(cell: str) -> bool:
    return cell.strip().endswith(("?", "？"))


def _ends(cell: str) -> bool:
    return cell.strip().rstrip("\"'”’」』»)").endswith((".", "!", "?", "。", "！", "？", "…"))


def _words(cell: str) -> float:
    """Words; of Chinese, Japanese and Korean, halves of its characters."""
    return len(cell.split()) + sum(c >= "\u2e80" for c in cell) / 2


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

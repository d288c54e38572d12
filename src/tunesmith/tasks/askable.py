"""Rows that can be asked: what is measured may hold others, a question that alone fills the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tunesmith.core.contracts import Feature, Row
from tunesmith.core.errors import DataError


def askable(encode: Callable[[Sequence[Row]], list[Feature]], rows: Sequence[Row]) -> tuple[list[int], list[Feature]]:
    """Places of the rows that can be asked, and their features. A test row may be another: a question that alone fills
    the window.

    Args:
        encode: raises DataError for a row that cannot be asked.
    """
    try:
        return list(range(len(rows))), encode(rows)
    except DataError:
        places = _askable(encode, rows)
        return places, encode([rows[i] for i in places]) if places else []


def _askable(encode: Callable[[Sequence[Row]], Any], rows: Sequence[Row]) -> list[int]:
    """By halves: few rows are at fault."""
    try:
        encode(rows)
    except DataError:
        half = len(rows) // 2
        return _askable(encode, rows[:half]) + [half + i for i in _askable(encode, rows[half:])] if half else []
    return list(range(len(rows)))

"""Rows that must not be forgotten: read from a file, or handed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.core.contracts import Feature, Row, Task
from tunesmith.core.errors import DataError, RecipeError


def protected_rows(
    task: Task, path: str, rows: Sequence[Row] | None, columns: Mapping[str, str], who: str
) -> list[Row]:
    """The rows by role.

    Args:
        path: file, glob, folder or hub id.
        rows: instead of a file.
        columns: role -> column; others are guessed.
        who: the strategy, for messages.

    Raises:
        RecipeError: neither is given, or both.
        DataError: the file cannot be read, or has no rows.
    """
    if why := lacking(task, path, rows):
        raise RecipeError(f'training.strategies: "{who}" cannot be used here: {why}', "Give path=FILE.")
    if rows is None:
        from tunesmith.data.labelled import labelled
        from tunesmith.data.read import read

        rows = labelled(task, read(path), columns, [])
    if not rows:
        raise DataError(f'training.strategies: "{who}" has no rows to protect.', "Give a file with rows.")
    return list(rows)


def lacking(task: Task, path: str, rows: Sequence[Row] | None) -> str | None:
    """What is wrong with what was given, in words, before anything is read; None where nothing is."""
    if bool(path) == (rows is not None):
        return "it needs rows to protect: path=FILE, or rows."
    if path and task.name == "mixture":
        return "a file does not say of which part of a mixture its rows are; give rows, each with its part."
    return None


def protected_features(run: Any, rows: Sequence[Row]) -> list[Feature]:
    """Their features, of no training row."""
    features: list[Feature] = run.encode(rows)
    return [{**feature, "row": -1} for feature in features]

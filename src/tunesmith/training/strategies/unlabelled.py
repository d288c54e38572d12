"""Rows without labels, beside those that are trained on: read from a file or handed over, encoded, drawn in batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.core.contracts import Batch, Feature, Row, Task
from tunesmith.core.errors import DataError
from tunesmith.models.tensors import tensors
from tunesmith.training.strategies import draws


def unlabelled_rows(
    task: Task, path: str, rows: Sequence[Row] | None, columns: Mapping[str, str], who: str
) -> list[Row]:
    """The rows by role; targets that a file has are not looked at.

    Args:
        path: file, glob, folder or hub id.
        rows: instead of a file.
        columns: role -> column; others are guessed.
        who: the strategy, for messages.

    Raises:
        DataError: the file cannot be read, or has no rows with a text.
    """
    if rows is None:
        from tunesmith.bundle.questions import columns_of, from_rows
        from tunesmith.data.read import read

        source = read(path)
        asked = from_rows(task, source, columns_of(task, source, columns))
        rows = [question.row for question in asked if question.row is not None]
    if not rows:
        raise DataError(f'training.strategies: "{who}" found no rows with a text in {path}.', "Give other rows.")
    return list(rows)


def missing(path: str, rows: object) -> str | None:
    """Why a strategy cannot do without them; None where exactly one of both is given."""
    return None if bool(path) != (rows is not None) else "it needs rows without labels: give path=FILE."


def encoded(run: Any, rows: Sequence[Row], features: Sequence[Feature]) -> list[Feature]:
    """Features without targets, cut at the longest of ``features``."""
    longest = max(len(feature["input_ids"]) for feature in features)
    found: list[Feature] = run.task.encode(rows, run.processor, max_length=longest, targets=False)
    return found


def drawn(run: Any, total: int, count: int) -> list[int]:
    """``count`` of ``total`` places, drawn anew for each batch; the same in a run that was resumed."""
    return [int(i) for i in draws.of_batch(run).choice(total, size=min(count, total), replace=False)]


def batch_of(run: Any, features: Sequence[Feature], like: Batch) -> Batch:
    """The features' batch, where the batch ``like`` is."""
    device = next(iter(like.values())).device
    return tensors(run.task.collate(features, run.processor), device)

"""Answers that people marked bad: nobody is to imitate them, nor to be measured by how near to them he comes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError
from tunesmith.data.prepare import Prepared

ROLE = "desirable"
TASK = "dialogue"


def without_undesired(rows: Sequence[Row]) -> list[Row]:
    """Rows but those whose answer is marked bad.

    >>> without_undesired([{"desirable": True}, {"desirable": False}, {}])
    [{'desirable': True}, {}]
    """
    return [row for row in rows if row.get(ROLE) is not False]


def imitable(data: Prepared, *, parts: Collection[str]) -> Prepared:
    """The data, without bad answers in its ``parts``; how many were left out is told.

    Args:
        parts: of "train", "validation", "test".

    Raises:
        DataError: all training answers are marked bad.
    """
    if data.task != TASK or ROLE not in data.columns:
        return data
    kept, notes = {}, list(data.notes)
    for name in parts:
        rows = getattr(data, name)
        good = without_undesired(rows)
        if len(good) == len(rows):
            continue
        which = {"train": "training"}.get(name, name)
        if good:
            kept[name] = good
            column = f'the column "{data.columns[ROLE]}" marks their answers bad.'
            notes.append(f"{len(rows) - len(good)} {which} rows were left out: {column}")
        elif name == "train":
            raise DataError(
                "The answers of all training rows are marked bad; there is nothing to imitate.",
                "training.strategies=[kto] learns from bad answers, beside good ones.",
            )
        else:
            notes.append(f"The answers of all {which} rows are marked bad: figures that compare with them say nothing.")
    return replace(data, **kept, notes=notes)  # type: ignore[arg-type]

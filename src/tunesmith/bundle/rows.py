"""What a user hands over to be predicted, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.core.contracts import Column, Row, Task
from tunesmith.core.errors import DataError
from tunesmith.data.shapes.direction import languages_of
from tunesmith.data.shapes.settle import shape_of
from tunesmith.data.shapes.shape import RowProblem
from tunesmith.data.surrogates import whole


def input_columns(task: Task) -> list[Column]:
    """The columns that a prediction reads: all but the targets."""
    return [column for column in task.columns if not column.target]


def as_rows(task: Task, given: Any) -> list[Row]:
    """Rows of a text, a tuple of texts, a row, or an iterable of these.

    Raises:
        DataError: a row lacks what the task reads, or is none of these.
    """
    one = isinstance(given, str | tuple | Mapping)
    things: Iterable[Any] = [given] if one else given
    return [as_row(task, thing, number) for number, thing in enumerate(things, 1)]


def as_row(task: Task, thing: Any, number: int = 1) -> Row:
    """One row; ``number`` is for messages."""
    columns = input_columns(task)
    row = in_shape(task, _by_role(columns, thing, number), number)
    for column in columns:
        if column.required and row.get(column.role) is None:
            roles = ", ".join(c.role for c in columns if c.required)
            raise DataError(
                f'Row {number} has no "{column.role}"; it has {_seen(row)}.', f"{task.name} reads: {roles}."
            )
    return row


def in_shape(task: Task, row: Row, number: int = 1) -> Row:
    """The row as the task reads it, where its shape knows other spellings.

    Raises:
        DataError: the row is broken, or holds several of the task's rows.
    """
    found = rows_in_shape(task, row, number)
    if len(found) != 1:
        raise DataError(f"Row {number} holds {len(found)} rows of {task.name}.", "Ask them one by one.")
    return found[0]


def rows_in_shape(task: Task, row: Row, number: int = 1, folder: Path | None = None) -> list[Row]:
    """The task's rows that a row holds: itself, or what its shape reads in it.

    Args:
        folder: of the file that the row is of, in which files must lie that it names; None: it is of none.

    Raises:
        DataError: the row is broken.
    """
    shape = shape_of(task.name, languages_of(task))
    if shape is None:
        return [whole(row)]
    try:
        cells = {role: whole(value) for role, value in row.items() if role in shape.roles}
        return [whole(found) for found in shape.beside(folder).read(cells, target=False)]
    except RowProblem as problem:
        raise DataError(
            f"Row {number}: {problem}.", f"See docs/tasks/{task.name}.md for how rows are spelled."
        ) from None


def inputs_only(task: Task, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows without targets and without what the task does not read."""
    roles = {column.role for column in input_columns(task)}
    return [{role: value for role, value in row.items() if role in roles} for row in rows]


def _by_role(columns: Sequence[Column], thing: Any, number: int) -> Row:
    if isinstance(thing, Mapping):
        return thing
    parts = (thing,) if isinstance(thing, str) else tuple(thing) if isinstance(thing, tuple | list) else None
    if parts is None:
        raise DataError(
            f"Row {number} is of type {type(thing).__name__}.", "Give texts, tuples of texts, or mappings of roles."
        )
    if len(parts) > len(columns):
        roles = ", ".join(column.role for column in columns)
        raise DataError(f"Row {number} has {len(parts)} parts; the task reads {len(columns)}.", f"It reads: {roles}.")
    return {column.role: part for column, part in zip(columns, parts, strict=False)}


def _seen(row: Row) -> str:
    return ", ".join(f'"{key}"' for key in row) or "nothing"

"""A file's rows as the rows of a task with a shape: columns by role, nested values as JSON, broken rows set apart."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.data.shapes import KEYED, NAMES, NESTED, SHAPES
from tunesmith.data.shapes.direction import UNTOLD, Languages
from tunesmith.data.shapes.shape import RowProblem, Shape
from tunesmith.data.surrogates import whole

if TYPE_CHECKING:  # a service reads no files, and does without Arrow
    import pyarrow as pa

    from tunesmith.data.rows import BrokenRow, Rows

Columns = Mapping[str, str | list[str]]
SHOWN = 200
"""Characters of a broken row that are kept."""


def shape_of(task: str, languages: Languages = UNTOLD) -> Shape | None:
    """The task's shape; None where its rows are a text and a label.

    Args:
        languages: of two sides, where the task says them.
    """
    if task not in SHAPES:
        return None
    shape: Shape = SHAPES.make(task)
    shape.languages = languages
    return shape


def is_log(task: str) -> bool:
    """Whether the task's rows are events of users."""
    shape = shape_of(task)
    return shape is not None and shape.log


def in_shape(
    rows: Rows, shape: Shape, columns: Columns, *, target: bool = True, notes: list[str] | None = None
) -> tuple[Rows, dict[str, str | list[str]]]:
    """Rows as the task reads them, and role -> column, each role's column being called as the role.

    Args:
        columns: role -> column of the file; roles that the shape does not know are passed on as they are.
        target: whether rows must hold what is learned.
        notes: takes what was mended and left out, in words.

    Raises:
        DataError: no row can be used; the first one's problem is told.
    """
    from tunesmith.data.rows import Rows

    shape = shape.beside(media_folder(rows))
    known = shape.spelled({role: column for role, column in columns.items() if role in shape.roles}, rows.columns)
    plain = {role: column for role, column in known.items() if isinstance(column, str) and column in rows.columns}
    shape = shape.over({role: partial(_cells, rows, column) for role, column in plain.items()})
    kept: list[int] = []
    made: list[dict[str, Any]] = []
    broken: list[BrokenRow] = []
    for number, row in enumerate(rows):
        try:
            found = list(shape.read(cells_of(row, known), target=target))
        except RowProblem as problem:
            broken.append(_broken(rows, number, row, known, str(problem)))
            continue
        kept += [number] * len(found)
        made += found
    if not made and len(rows):
        why = f": {broken[0].reason} (row {broken[0].line})" if broken else ""
        raise DataError(f"{_file(rows)}: no row can be read as {shape.task}{why}.", "Check which columns were taken.")
    if notes is not None:
        notes += [f"{count} {what}." for what, count in shape.repaired().items() if count]
        notes += _why_broken(broken)
    table = _table(rows.select(np.asarray(kept, np.int64)).table, made, shape, target)
    roles: dict[str, str | list[str]] = {
        role: role for role in dict.fromkeys(r for row in made for r in row) if role in table.column_names
    }
    if NAMES in table.column_names:
        roles[NAMES] = NAMES
    passed = {role: column for role, column in columns.items() if role not in shape.roles}
    return Rows(table, rows.origin, [*rows.broken, *broken]), {**passed, **roles}


def cells_of(row: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Role -> cell, or the list of cells where a role has several columns; of some roles, column -> cell."""
    return {role: _of_role(row, role, column) for role, column in columns.items()}


def media_folder(rows: Rows) -> Path | None:
    """The folder that the paths in the rows are relative to: that of their files; None where they came from none.

    Raises:
        DataError: it was named, and is none.
    """
    if rows.origin.media is not None:
        if not os.path.isdir(rows.origin.media):
            raise DataError(f"data.media is {rows.origin.media}, and there is no such folder.", "Check the path.")
        return Path(os.path.abspath(rows.origin.media))
    files = [os.path.abspath(file) for file in rows.origin.files if os.path.exists(file)]
    folders = {file if os.path.isdir(file) else os.path.dirname(file) for file in files}
    return Path(os.path.commonpath(folders)) if folders else None


def _cells(rows: Rows, column: str) -> list[Any]:
    found: list[Any] = rows.column(column).to_pylist()
    return found


def _of_role(row: Mapping[str, Any], role: str, column: str | list[str]) -> Any:
    if role in KEYED and column != role:
        return {name: row.get(name) for name in ([column] if isinstance(column, str) else column)}
    return row.get(column) if isinstance(column, str) else [row.get(name) for name in column]


def from_json(value: Any) -> Any:
    """A nested role's value out of a table's cell."""
    return json.loads(value) if isinstance(value, str) else value


def _table(table: pa.Table, made: list[dict[str, Any]], shape: Shape, target: bool) -> pa.Table:
    import pyarrow as pa

    from tunesmith.data.cells import array_of

    for role in dict.fromkeys(role for row in made for role in row):
        values = [row.get(role) for row in made]
        if any(value is not None for value in values):
            table = _put(table, role, array_of([_cell(role, value) for value in values]))
    if target and shape.target:
        names = [shape.names(row.get(shape.target)) for row in made]
        if any(names):
            table = _put(table, NAMES, pa.array(whole(names), pa.large_list(pa.large_string())))
    return table


def _put(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)


def _cell(role: str, value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if role in NESTED and value is not None else value


def _broken(rows: Rows, number: int, row: Mapping[str, Any], columns: Columns, reason: str) -> BrokenRow:
    from tunesmith.data.rows import BrokenRow

    text = whole(json.dumps(cells_of(row, columns), ensure_ascii=False, default=str))
    return BrokenRow(_file(rows), number + 1, reason, text[:SHOWN])


def _why_broken(broken: Iterable[BrokenRow]) -> Iterator[str]:
    """A line a kind of problem, with its first row."""
    first: dict[str, BrokenRow] = {}
    counts: Counter[str] = Counter()
    for row in broken:
        kind = row.reason.split('"')[0].split(":")[0]
        first.setdefault(kind, row)
        counts[kind] += 1
    for kind, count in counts.most_common(5):
        row = first[kind]
        yield f"{count} broken row{'s' if count > 1 else ''} left out, the first is row {row.line}: {row.reason}."


def _file(rows: Rows) -> str:
    return rows.origin.files[0] if len(rows.origin.files) == 1 else f"{len(rows.origin.files)} files"

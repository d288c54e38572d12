"""Labels settled before rows are divided, so that every part spells and divides them alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa

from tunesmith.data.labels import divided, find_separator
from tunesmith.data.roles import label_array, label_map
from tunesmith.data.rows import Rows
from tunesmith.data.shapes.settle import in_shape, shape_of
from tunesmith.data.shapes.shape import Shape
from tunesmith.data.traits import SEPARATORS


def as_read(
    rows: Rows,
    task: str,
    columns: Mapping[str, str | list[str]],
    notes: list[str] | None = None,
    known: Collection[str] = (),
    shape: Shape | None = None,
) -> tuple[Rows, dict[str, str | list[str]]]:
    """Rows in the task's shape, their labels settled; and role -> column of these rows.

    Args:
        task: the task's name.
        columns: role -> column of the file.
        notes: takes what was changed, in words.
        known: labels of the training rows.
        shape: reads the rows; None: the task's own.

    Raises:
        DataError: no row can be used.
    """
    shape = shape or shape_of(task)
    roles = dict(columns)
    if shape is not None:
        rows, roles = in_shape(rows, shape, roles, notes=notes)
    return settled(rows, roles, notes, known), roles


def settled(
    rows: Rows, columns: Mapping[str, str | list[str]], notes: list[str] | None = None, known: Collection[str] = ()
) -> Rows:
    """The same rows with labels as text of one type, and cells of several labels as lists.

    Args:
        notes: takes what was changed, in words.
        known: labels of the training rows; a cell is divided so that it gives these.
    """
    label, labels = columns.get("label"), columns.get("labels")
    if isinstance(label, str) and label in rows.columns:
        label_map(rows.column(label), notes)
        codes, names = label_array(rows, label)
        indices = pa.array(codes, mask=codes < 0) if len(codes) else pa.array([], pa.int32())
        rows = rows.replace(label, pa.array(names, pa.large_string()).take(indices))
    if isinstance(labels, str) and labels in rows.columns:
        cells = rows.column(labels).to_pylist()
        separator = _like(cells, known) if known else find_separator(cells)
        lists = pa.array([divided(cell, separator) for cell in cells], pa.large_list(pa.large_string()))
        rows = rows.replace(labels, lists)
    return rows


def _like(cells: list[object], known: Collection[str]) -> str | None:
    """The separator that gives the most known labels, for rows too few to find it in."""
    names = set(known)
    candidates = [None, *SEPARATORS]
    hits = [sum(bool(d := divided(cell, s)) and names.issuperset(d) for cell in cells) for s in candidates]
    return candidates[hits.index(max(hits))]

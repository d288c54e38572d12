"""Rows whose keys are roles: what tasks read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunesmith.core.errors import DataError
from tunesmith.data.cells import as_text
from tunesmith.data.dialect import is_number
from tunesmith.data.labels import divided, find_separator, label_names
from tunesmith.data.rows import Rows, missing_column
from tunesmith.data.schema import Columns
from tunesmith.data.shapes import NESTED, TEXTS
from tunesmith.data.shapes.settle import from_json
from tunesmith.data.traits import YES


def table_of_roles(
    rows: Rows,
    columns: Mapping[str, str | list[str]],
    required_roles: Sequence[str] = (),
    *,
    notes: list[str] | None = None,
    separator: str | None = None,
) -> list[dict[str, Any]]:
    """Role-keyed rows, all in memory; see ``roles`` for the values and errors."""
    return list(roles(rows, columns, required_roles, notes=notes, separator=separator))


def roles(
    rows: Rows,
    columns: Mapping[str, str | list[str]],
    required_roles: Sequence[str] = (),
    *,
    notes: list[str] | None = None,
    separator: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Role-keyed rows, one after the other.

    ``text`` roles are str, ``label`` is str (one type; spaces stripped), ``labels`` is a list of str, others are as
    in the file. Roles that are not required are left out where their column is missing.

    Args:
        notes: takes what was changed, in words.
        separator: between labels of one cell; None: found. Give the training rows' one for other rows.

    Raises:
        DataError: a required role has no column, a column is missing, or a required label is empty (with its row).
    """
    present = _present(rows, columns, required_roles)
    names = {c for v in present.values() for c in ([v] if isinstance(v, str) else v)}
    read = {role: _reader(role, v, rows, role in required_roles, notes, separator) for role, v in present.items()}
    start = 0
    for batch in rows.table.select([c for c in rows.columns if c in names]).to_batches(max_chunksize=4096):
        cells = {name: batch.column(name).to_pylist() for name in batch.schema.names}
        made = {role: make(cells, start) for role, make in read.items()}
        for i in range(batch.num_rows):
            yield {role: values[i] for role, values in made.items()}
        start += batch.num_rows


def label_map(column: pa.ChunkedArray, notes: list[str] | None = None) -> dict[Any, str | None]:
    """Distinct values of a label column -> labels."""
    return label_names(pc.unique(column).to_pylist(), notes)


def label_array(rows: Rows, column: str) -> tuple[np.ndarray, list[str]]:
    """Labels as codes into a sorted list of names; -1 where empty. Shape [rows], int32."""
    encoded = rows.column(column).dictionary_encode()
    encoded = encoded.unify_dictionaries() if isinstance(encoded, pa.ChunkedArray) else encoded
    if not encoded.num_chunks:
        return np.zeros(0, np.int32), []
    values = encoded.chunk(0).dictionary.to_pylist()
    names = label_names(values)
    known = sorted({n for n in names.values() if n is not None}, key=_natural)
    code = {n: i for i, n in enumerate(known)}
    table = np.array([-1 if names[v] is None else code[names[v] or ""] for v in values] + [-1], np.int32)
    parts = [np.asarray(pc.fill_null(c.indices, len(values))).astype(np.int64) for c in encoded.chunks]
    return table[np.concatenate(parts)], known


def _natural(name: str) -> tuple[int, float, str]:
    return (0, float(name), name) if is_number(name) else (1, 0.0, name)


def _present(rows: Rows, columns: Mapping[str, str | list[str]], required: Sequence[str]) -> Columns:
    for role in required:
        if role not in columns:
            raise DataError(
                f'No column is known for the role "{role}". Columns: {", ".join(rows.columns)}.',
                f"Name it: data.{role}=COLUMN",
            )
    present: Columns = {}
    for role, value in columns.items():
        absent = [c for c in ([value] if isinstance(value, str) else value) if c not in rows.columns]
        if absent and role in required:
            raise missing_column(absent[0], rows)
        if not absent:
            present[role] = value
    return present


def _reader(
    role: str, column: str | list[str], rows: Rows, required: bool, notes: list[str] | None, separator: str | None
) -> Any:
    if isinstance(column, list):
        return lambda cells, start: _flags(column, cells)
    if role in TEXTS:
        return lambda cells, start: [as_text(v) or "" for v in cells[column]]
    if role in NESTED:
        return lambda cells, start: [from_json(v) for v in cells[column]]
    if role == "label":
        names = label_map(rows.column(column), notes)
        return lambda cells, start: _labels(cells[column], names, start, column, rows if required else None)
    if role == "labels":
        divider = separator or find_separator(rows.column(column).slice(0, 20000).to_pylist())
        return lambda cells, start: [divided(v, divider) for v in cells[column]]
    return lambda cells, start: cells[column]


def _labels(
    values: list[Any], names: Mapping[Any, str | None], start: int, column: str, required: Rows | None
) -> list[str | None]:
    found = [names[v] for v in values]
    if required is not None and None in found:
        row = start + found.index(None)
        file = required.origin.files[0] if required.origin.files else "the rows"
        raise DataError(
            f'{file}: row {row + 1} has no label in the column "{column}".',
            "Fill it in, or let cleaning leave such rows out (tunesmith check counts them).",
        )
    return found


def _flags(columns: list[str], cells: Mapping[str, list[Any]]) -> list[list[str]]:
    on = [[_truthy(v) for v in cells[c]] for c in columns]
    return [[c for c, flag in zip(columns, flags, strict=True) if flag] for flags in zip(*on, strict=True)]


def _truthy(value: Any) -> bool:
    text = (as_text(value) or "").strip().lower()
    return float(text) != 0 if is_number(text) else text in YES

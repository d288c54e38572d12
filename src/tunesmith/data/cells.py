"""Arrow types of cells: few, plain, and the same whatever file they came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from tunesmith.data.surrogates import whole


def batch_of(rows: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """A record batch from dictionaries; keys may be missing, and a column's values of mixed types become text."""
    try:
        return _batch_of(rows)
    except UnicodeEncodeError:
        return _batch_of([whole(row) for row in rows])


def _batch_of(rows: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays = [array_of([row.get(name) for row in rows]) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=[str(n) for n in names])


def array_of(values: list[Any]) -> pa.Array:
    """An array of one type; text where the values have none in common. Half a surrogate pair becomes U+FFFD."""
    try:
        return _array_of(values)
    except UnicodeEncodeError:
        return _array_of(whole(values))


def _array_of(values: list[Any]) -> pa.Array:
    kinds = {type(v) for v in values if v is not None}
    if kinds == {str}:
        return pa.array(values, pa.large_string())
    if (len(kinds) <= 1 or kinds <= {int, float}) and (dict not in kinds or _records(values)):
        try:
            return plain_array(pa.array(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            pass
    return pa.array([as_text(v) for v in values], pa.large_string())


def _records(values: list[Any]) -> bool:
    """Whether mappings have the same keys each. Where keys are data, as in ``{"Berlin": [[0, 5]]}``, they have not:
    as fields, every key would be in every row.
    """
    mappings = [v for v in values if v is not None]
    if not all(isinstance(v, dict) for v in mappings):
        return False
    keys = mappings[0].keys()
    if any(v.keys() != keys for v in mappings):
        return False
    inner = [[v[key] for v in mappings] for key in keys]
    return all(_records(column) for column in inner if any(isinstance(v, dict) for v in column))


def as_text(value: Any) -> str | None:
    """A cell's value as text; None stays None, lists and mappings become JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """``string`` -> ``large_string``, dictionaries -> their values, and so inside lists."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string(kind) or _is_view(kind):
        return pa.large_string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(plain_type(kind.value_type))
    return kind


def plain_array(array: pa.Array) -> pa.Array:
    """The array in its plain type."""
    kind = plain_type(array.type)
    return array if kind == array.type else array.cast(kind)


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with plain types and no metadata."""
    arrays = [plain_array(a) for a in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def common_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Every column of every schema, each of a type that holds all of its values."""
    types: dict[str, pa.DataType] = {}
    for i, schema in enumerate(schemas):
        if i and schema.equals(schemas[i - 1]):
            continue
        for item in schema:
            types[item.name] = common_type(types[item.name], item.type) if item.name in types else item.type
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


def common_type(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """The narrowest of: the same, the one that is not null, a float, text."""
    if a == b or pa.types.is_null(b):
        return a
    if pa.types.is_null(a):
        return b
    if all(pa.types.is_integer(t) for t in (a, b)):
        return pa.int64()
    if all(pa.types.is_integer(t) or pa.types.is_floating(t) for t in (a, b)):
        return pa.float64()
    if all(pa.types.is_large_list(t) for t in (a, b)):
        return pa.large_list(common_type(a.value_type, b.value_type))
    return pa.large_string()


def fitted(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in ``schema``: missing columns are null, types are widened."""
    if batch.schema.equals(schema):
        return batch
    have = set(batch.schema.names)
    arrays = [
        _cast(batch.column(item.name), item.type) if item.name in have else pa.nulls(batch.num_rows, item.type)
        for item in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        return array
    if pa.types.is_large_string(kind) and (pa.types.is_nested(array.type) or pa.types.is_boolean(array.type)):
        return pa.array([as_text(v) for v in array.to_pylist()], kind)
    return array.cast(kind)


def _is_view(kind: pa.DataType) -> bool:
    return hasattr(pa.types, "is_string_view") and bool(pa.types.is_string_view(kind))

"""Numbers of classes as the names that ``datasets`` keeps beside them: in its features, and so in its Parquet files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def classes_of(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """Column -> names of its classes, also of lists of classes.

    Args:
        features: as ``datasets.Features.to_dict`` gives them.

    >>> tag = {"names": ["O", "B-PER"], "_type": "ClassLabel"}
    >>> classes_of({"id": {"dtype": "int64", "_type": "Value"}, "tag": tag, "tags": {"feature": tag, "_type": "List"}})
    {'tag': ['O', 'B-PER'], 'tags': ['O', 'B-PER']}
    """
    found = {name: _names(feature) for name, feature in features.items()}
    return {name: names for name, names in found.items() if names}


def classes_in(schema: pa.Schema) -> dict[str, list[str]]:
    """The same, from what ``datasets`` writes into a file's schema; {} where it wrote none."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return classes_of(told["info"]["features"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def named(batch: pa.RecordBatch, classes: Mapping[str, list[str]]) -> pa.RecordBatch:
    """The batch with names of classes in the place of their numbers."""
    arrays = [
        _named(array, pa.array(classes[name], pa.large_string())) if name in classes else array
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _names(feature: Any) -> list[str]:
    while True:
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        elif isinstance(feature, Mapping) and "feature" in feature:
            feature = feature["feature"]
        else:
            break
    is_class = isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel"
    return [str(name) for name in feature.get("names") or []] if is_class else []


def _named(array: pa.Array, names: pa.Array) -> pa.Array:
    """A number that is none of a class, such as the -1 of rows without a label, is empty."""
    kind = array.type
    if pa.types.is_integer(kind):
        known = pc.and_(pc.greater_equal(array, 0), pc.less(array, len(names)))
        return names.take(pc.if_else(known, array, pa.scalar(None, kind)))
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return array
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    ends = pc.cumulative_sum(lengths)
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends])
    return pa.LargeListArray.from_arrays(offsets, _named(array.flatten(), names), mask=array.is_null())

"""Several conversations in one row, none of which sees another: positions begin anew, and the mask keeps them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature


def packed(features: Sequence[Feature], room: int) -> list[Feature]:
    """Features joined into rows of at most ``room`` tokens: the longest first, each into the first row that has room.

    A row that holds several has ``lengths`` (of each) and ``row`` -1; what fills a row alone stays as it is.
    """
    bins: list[list[Feature]] = []
    left: list[int] = []
    for feature in sorted(features, key=lambda one: -len(one["input_ids"])):
        size = len(feature["input_ids"])
        place = next((i for i, free in enumerate(left) if free >= size), None)
        if place is None:
            bins.append([feature])
            left.append(room - size)
        else:
            bins[place].append(feature)
            left[place] -= size
    return [_joined(some) for some in bins]


def apart(features: Sequence[Feature], batch: Batch) -> Batch:
    """A batch padded on the right, with ``position_ids`` [rows, length] and a mask, bool [rows, 1, length, length]."""
    rows, length = batch["input_ids"].shape
    positions = np.zeros((rows, length), dtype=np.int64)
    owner = np.full((rows, length), -1, dtype=np.int64)
    for i, feature in enumerate(features):
        start = 0
        for number, size in enumerate(feature.get("lengths", [len(feature["input_ids"])])):
            positions[i, start : start + size] = np.arange(size)
            owner[i, start : start + size] = number
            start += size
    same = owner[:, :, None] == owner[:, None, :]
    before = np.tril(np.ones((length, length), dtype=bool))
    return {**batch, "position_ids": positions, "attention_mask": (same & before)[:, None]}


def _joined(features: Sequence[Feature]) -> Feature:
    if len(features) == 1:
        return features[0]
    made: dict[str, Any] = {
        key: np.concatenate([feature[key] for feature in features]) for key in ("input_ids", "target")
    }
    return {**features[0], **made, "row": -1, "lengths": [len(feature["input_ids"]) for feature in features]}

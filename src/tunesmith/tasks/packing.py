"""Several conversations in one row, none of which sees another: positions begin anew, and the mask keeps them apart."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature
from tunesmith.models import kept_apart


def packed(features: Sequence[Feature], room: int) -> list[Feature]:
    """Features joined into rows of at most ``room`` tokens: the longest first, each into the row with the least room
    that takes it (best fit: Johnson 1974). Time grows with the features times the logarithm of ``room``.

    A row that holds several has ``lengths`` (of each) and ``row`` -1; what fills a row alone stays as it is.
    """
    bins: list[list[Feature]] = []
    left: dict[int, list[int]] = {}  # free tokens -> rows that have so many
    rooms: list[int] = []  # its keys, in order
    for feature in sorted(features, key=lambda one: -len(one["input_ids"])):
        size = len(feature["input_ids"])
        at = bisect_left(rooms, size)
        if at == len(rooms):
            free, place = room - size, len(bins)
            bins.append([feature])
        else:
            free, place = rooms[at] - size, left[rooms[at]].pop()
            bins[place].append(feature)
            if not left[rooms[at]]:
                del left[rooms[at]], rooms[at]
        if free not in left:
            insort(rooms, free)
        left.setdefault(free, []).append(place)
    return [_joined(some) for some in bins]


def apart(features: Sequence[Feature], batch: Batch) -> Batch:
    """A batch padded on the right, with the positions and the mask of ``models.kept_apart``."""
    lengths = [feature.get("lengths", [len(feature["input_ids"])]) for feature in features]
    return {**batch, **kept_apart.apart(lengths, batch["input_ids"].shape[1], causal=True)}


def _joined(features: Sequence[Feature]) -> Feature:
    if len(features) == 1:
        return features[0]
    made: dict[str, Any] = {
        key: np.concatenate([feature[key] for feature in features]) for key in ("input_ids", "target")
    }
    return {**features[0], **made, "row": -1, "lengths": [len(feature["input_ids"]) for feature in features]}

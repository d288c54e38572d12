"""What a task knows after it has met more rows: every class that it had, in its old place, and the new ones."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

CALIBRATED = "calibrated"
"""What was learned of one model's confidence: of a model that learns on it is no longer true."""


def grown(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a task that knew ``old`` and has met rows that teach ``new``.

    Lists of names grow at their end; the counts beside ``labels`` are added; what was calibrated
    goes; everything else stays as it was.

    >>> grown({"labels": ["a", "b"], "counts": [5, 3]}, {"labels": ["b", "c"], "counts": [1, 2]})
    {'labels': ['a', 'b', 'c'], 'counts': [5, 4, 2]}
    """
    state = uncalibrated(old)
    for key, value in old.items():
        if _names(value) and _names(new.get(key)):
            state[key] = [*value, *(name for name in new[key] if name not in value)]
    if "labels" in old and "counts" in old:
        counts = [dict(zip(side["labels"], side["counts"], strict=True)) for side in (old, new)]
        state["counts"] = [sum(side.get(label, 0) for side in counts) for label in state["labels"]]
    return state


def uncalibrated(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state for another model of the same task; it shares nothing with the old one."""
    return deepcopy({key: value for key, value in state.items() if key != CALIBRATED})


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)

"""The targets of rows as arrays, and answers as evidence, for the three kinds of task that baselines know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from tunesmith.core.contracts import Evidence, Row
from tunesmith.core.errors import DataError, RecipeError, did_you_mean
from tunesmith.evaluation.evidence import Array

TargetKind = Literal["label", "labels", "number"]

TASKS: dict[str, TargetKind] = {
    "text-classification": "label",
    "multi-label-classification": "labels",
    "text-regression": "number",
    "image-classification": "label",
    "audio-classification": "label",
    "multimodal-classification": "label",
    "multimodal-regression": "number",
}
"""The tasks that have baselines, and what their targets are."""


@dataclass(frozen=True)
class Baseline:
    """A baseline's answers on the test rows, and their cost."""

    name: str
    evidence: Evidence
    seconds_fit: float
    seconds_predict: float
    settings: dict[str, Any] = field(default_factory=dict)


def target_kind(task_name: str) -> TargetKind:
    """What the task's targets are.

    Raises:
        RecipeError: the task has no baselines.
    """
    if task_name not in TASKS:
        raise RecipeError(
            f'There are no baselines for the task "{task_name}". {did_you_mean(task_name, TASKS)}',
            "Set evaluation.baselines=false.",
        )
    return TASKS[task_name]


def targets(kind: TargetKind, rows: Sequence[Row], class_names: Sequence[str]) -> Array:
    """int[n] for label, bool[n, k] for labels, float[n] for number.

    Raises:
        DataError: a row's label is not among ``class_names``, or is no number.
    """
    if kind == "number":
        return np.array([_number(row["label"], i) for i, row in enumerate(rows)])
    index = {name: i for i, name in enumerate(class_names)}
    if kind == "label":
        return np.array([_index(index, row["label"], i) for i, row in enumerate(rows)], dtype=np.int64)
    out = np.zeros((len(rows), len(index)), dtype=bool)
    for i, row in enumerate(rows):
        out[i, [_index(index, label, i) for label in row["labels"]]] = True
    return out


def evidence_of(kind: TargetKind, truth: Array, scores: Array, threshold: float = 0.5) -> Evidence:
    """Evidence from truth and scores: probabilities [n, k], or predicted numbers [n].

    Args:
        threshold: probability from which on one of several labels is given.
    """
    if kind == "number":
        return {"value": truth, "predicted_value": scores}
    if kind == "labels":
        return {"labels": truth, "predicted_labels": scores >= threshold, "probabilities": scores}
    return {"label": truth, "predicted": scores.argmax(axis=1), "probabilities": scores}


def _index(index: dict[str, int], label: Any, row: int) -> int:
    name = str(label)
    if name not in index:
        raise DataError(
            f'Row {row} has the label "{name}", which is in no training row. {did_you_mean(name, index)[:300]}',
            "Mend the label, leave the row out, or train with rows of that class.",
        )
    return index[name]


def _number(value: Any, row: int) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f'Row {row} has "{value}" where a number is wanted.', "Mend it.") from error

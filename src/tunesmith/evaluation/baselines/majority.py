"""The same answer for every row: the commonest class, or the mean."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from tunesmith.core.contracts import Row
from tunesmith.evaluation.baselines.targets import Baseline, evidence_of, target_kind, targets
from tunesmith.evaluation.evidence import Array


def majority(
    task_name: str,
    train_rows: Sequence[Row],
    test_rows: Sequence[Row],
    class_names: Sequence[str] = (),
    language: str | None = None,
    threshold: float = 0.5,
) -> Baseline:
    """Answer every test row with the training rows' class shares, or their mean number.

    Args:
        task_name: "text-classification", "multi-label-classification" or "text-regression".
        train_rows: rows by role, with their targets.
        test_rows: the rows to answer, with their targets.
        class_names: all classes, in the order of the probabilities; empty for numbers.
        language: not read; here so that all baselines are called alike.
        threshold: probability from which on one of several labels is given.

    Raises:
        RecipeError: the task has no baselines.
        DataError: a target is not known.
    """
    kind = target_kind(task_name)
    start = perf_counter()
    learned = targets(kind, train_rows, class_names)
    one = shares(learned, len(class_names)) if kind == "label" else learned.mean(axis=0)
    fitted = perf_counter()
    scores = np.tile(one, (len(test_rows), 1)) if kind != "number" else np.full(len(test_rows), one)
    done = perf_counter()
    evidence = evidence_of(kind, targets(kind, test_rows, class_names), scores, threshold)
    return Baseline("majority", evidence, fitted - start, done - fitted)


def shares(labels: Array, classes: int) -> Array:
    """Share of rows of each class: [k]."""
    share: Array = np.bincount(labels, minlength=classes) / max(len(labels), 1)
    return share

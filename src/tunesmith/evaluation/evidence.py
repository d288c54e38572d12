"""What metrics read: arrays whose first axis is rows. Five kinds are known here.

- single-label: ``label`` int[n], ``predicted`` int[n], ``probabilities`` float[n, k]; where rows are of groups
  ``group`` int[n], -1 for a row of none
- multi-label: ``labels`` bool[n, k], ``predicted_labels`` bool[n, k], ``probabilities`` float[n, k]
- regression: ``value`` float[n], ``predicted_value`` float[n]
- structured: ``hit`` bool[n] (the whole row is right), ``confidence`` float[n] in [0, 1], ``true`` and ``predicted_as``
  object[n] (short texts for a person); where there are classes ``class_counts`` float32[n, 3k]: hits of each
  class, then support, then predictions, so that a row may hold many of each
- text: ``written`` and ``expected`` object[n] (texts), beside what the task's metrics sum up (``tasks/text_scores``)
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Evidence

Kind = Literal["single-label", "multi-label", "regression", "structured", "text", "other"]
Array = NDArray[Any]


def kind_of(evidence: Evidence) -> Kind:
    """The kind of evidence, by the arrays that it holds."""
    if "label" in evidence and "predicted" in evidence:
        return "single-label"
    if "labels" in evidence and "predicted_labels" in evidence:
        return "multi-label"
    if "value" in evidence and "predicted_value" in evidence:
        return "regression"
    if "hit" in evidence:
        return "structured"
    return "text" if "written" in evidence else "other"


def count_rows(evidence: Evidence) -> int:
    """Rows in the evidence; 0 where it is empty."""
    return min((len(array) for array in evidence.values()), default=0)


def count_classes(evidence: Evidence) -> int:
    """Classes of single-label or multi-label evidence: k."""
    for key in ("probabilities", "labels"):
        if key in evidence:
            return int(evidence[key].shape[1])
    both = np.concatenate([evidence["label"], evidence["predicted"]])
    return int(both.max()) + 1 if both.size else 0


def one_hot(indices: Array, classes: int) -> NDArray[np.float32]:
    """[n] indices -> [n, classes] ones and zeros."""
    return np.equal(indices[:, None], np.arange(classes)).astype(np.float32)


def targets_and_predictions(evidence: Evidence) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Truth and prediction as ones and zeros, [n, k] each, for single-label and multi-label alike."""
    if kind_of(evidence) == "multi-label":
        return evidence["labels"].astype(np.float32), evidence["predicted_labels"].astype(np.float32)
    k = count_classes(evidence)
    return one_hot(evidence["label"], k), one_hot(evidence["predicted"], k)


def hits(evidence: Evidence) -> NDArray[np.bool_]:
    """bool[n]: the row is answered exactly right (every label of it, when multi-label)."""
    if "hit" in evidence:
        return evidence["hit"].astype(bool)
    if kind_of(evidence) == "multi-label":
        exact: NDArray[np.bool_] = (evidence["labels"] == evidence["predicted_labels"]).all(axis=1)
        return exact
    right: NDArray[np.bool_] = evidence["label"] == evidence["predicted"]
    return right


def decisions(evidence: Evidence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How sure each decision was, and whether it was right: confidence and correctness, [n, d] each.

    Single-label: one decision a row (the predicted class), d = 1. Multi-label: one a label, "present" or
    "absent", d = k. Structured: the row as a whole, d = 1.
    """
    if "hit" in evidence:
        return evidence["confidence"].astype(np.float64)[:, None], hits(evidence).astype(np.float64)[:, None]
    p = evidence["probabilities"].astype(np.float64)
    if kind_of(evidence) == "multi-label":
        chosen = evidence["predicted_labels"].astype(bool)
        return np.where(chosen, p, 1.0 - p), (chosen == evidence["labels"].astype(bool)).astype(np.float64)
    rows = np.arange(len(p))
    return p[rows, evidence["predicted"]][:, None], hits(evidence).astype(np.float64)[:, None]

"""Where a model is right and wrong: by class, between classes, by confidence. JSON values throughout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.bootstrap import draw, interval
from tunesmith.evaluation.evidence import Array, decisions, kind_of
from tunesmith.evaluation.metrics.class_sums import class_columns, f1_by_class, split_sums
from tunesmith.evaluation.metrics.ece import BINS, bin_of
from tunesmith.evaluation.metrics.resampled import divide, sum_over

MATRIX_LIMIT = 20
"""With more classes than this the confusion matrix is unreadable, and only its largest cells are listed."""


def per_class(
    evidence: Evidence,
    class_names: Sequence[str],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 13,
) -> list[dict[str, Any]]:
    """Precision, recall, F1 with interval, support and predictions of each class; None where not defined."""
    columns = class_columns(evidence)
    hit, support, predicted = split_sums(columns.sum(axis=0, dtype=np.float64)[None])
    f1 = f1_by_class(hit, support, predicted)[0]
    precision, recall = divide(hit, predicted)[0], divide(hit, support)[0]
    sums = sum_over(columns)
    drawn = np.concatenate([f1_by_class(*split_sums(sums(c))) for c in draw(len(columns), resamples, seed)])
    rows = []
    for i, name in enumerate(class_names):
        low, high = interval(drawn[:, i], confidence)
        rows.append(
            {
                "name": name,
                "precision": defined(precision[i]),
                "recall": defined(recall[i]),
                "f1": defined(f1[i]),
                "f1_low": defined(low),
                "f1_high": defined(high),
                "support": int(support[0, i]),
                "predicted": int(predicted[0, i]),
            }
        )
    return rows


def confusion(evidence: Evidence, class_names: Sequence[str], *, top: int = 20) -> dict[str, Any] | None:
    """Counts of (true, predicted); None unless single-label.

    Returns:
        ``labels``; ``matrix`` ([true][predicted], None above ``MATRIX_LIMIT`` classes); ``top``: the largest
        confusions, as ``{"true", "predicted", "count", "share"}``, share being of the true class's rows.
    """
    if kind_of(evidence) != "single-label":
        return None
    k = len(class_names)
    matrix = np.bincount(evidence["label"] * k + evidence["predicted"], minlength=k * k).reshape(k, k)
    return {
        "labels": list(class_names),
        "matrix": matrix.tolist() if k <= MATRIX_LIMIT else None,
        "top": _largest(matrix, class_names, top),
    }


def _largest(matrix: Array, class_names: Sequence[str], top: int) -> list[dict[str, Any]]:
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    support = matrix.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[:top]
    pairs = [divmod(int(cell), len(class_names)) for cell in order]
    return [
        {
            "true": class_names[i],
            "predicted": class_names[j],
            "count": int(wrong[i, j]),
            "share": float(wrong[i, j] / support[i]),
        }
        for i, j in pairs
        if wrong[i, j] > 0
    ]


def reliability(evidence: Evidence, *, bins: int = BINS) -> list[dict[str, Any]] | None:
    """Mean confidence against share right in bins of equal width; None without probabilities.

    Only bins with decisions: ``{"low", "high", "count", "confidence", "accuracy"}``.
    """
    sure_of = {"single-label": "probabilities", "multi-label": "probabilities", "structured": "confidence"}
    if sure_of.get(kind_of(evidence)) not in evidence:
        return None
    sure, right = (part.ravel() for part in decisions(evidence))
    where = bin_of(sure, bins)
    count = np.bincount(where, minlength=bins)
    mean_sure, mean_right = (divide(np.bincount(where, part, bins), count) for part in (sure, right))
    return [
        {
            "low": i / bins,
            "high": (i + 1) / bins,
            "count": int(count[i]),
            "confidence": float(mean_sure[i]),
            "accuracy": float(mean_right[i]),
        }
        for i in range(bins)
        if count[i]
    ]


def defined(value: Any) -> float | None:
    """A float for JSON: None instead of NaN and infinity."""
    return float(value) if np.isfinite(value) else None

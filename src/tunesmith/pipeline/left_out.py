"""What each modality adds: the same test rows with one left out, and with one alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.bundle.predictor import Predictor
from tunesmith.core.artefacts import Figure
from tunesmith.core.contracts import Row
from tunesmith.evaluation.bootstrap import figures

MOST = 2000
"""Test rows that are asked again, evenly spread."""


def left_out(
    predictor: Predictor, rows: Sequence[Row], *, resamples: int, confidence: float, seed: int = 13
) -> dict[str, Any]:
    """The task's first metric on each kind of row that the task names; {} where it names none.

    Returns:
        ``metric``, and ``without`` and ``alone``: part -> figure with its interval.
    """
    task = predictor.task
    some = rows[:: max(1, -(-len(rows) // MOST))]
    kinds = task.left_out(some)
    if not kinds:
        return {}
    metric = task.metrics[0]

    def figure(chosen: Sequence[Row]) -> Figure:
        evidence = task.evidence(some, predictor.predict(chosen))
        return figures(evidence, [metric], resamples=resamples, confidence=confidence, seed=seed)[metric]

    found: Mapping[str, Mapping[str, Figure]] = {
        kind: {name: figure(chosen) for name, chosen in parts.items()} for kind, parts in kinds.items()
    }
    return {
        "metric": metric,
        "rows": len(some),
        **{kind: {name: one.to_json() for name, one in parts.items()} for kind, parts in found.items()},
    }

"""What a model knew before and knows after, on the same rows: forgetting, with a paired test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.bootstrap import measure
from tunesmith.evaluation.compare import compare_measured
from tunesmith.evaluation.evidence import hits, kind_of, targets_and_predictions
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.metrics.class_sums import class_columns
from tunesmith.evaluation.metrics.resampled import ResampledMetric
from tunesmith.evaluation.words import number, p_words, signed


def over_known(evidence: Evidence, known: Sequence[int]) -> Evidence:
    """The same, counted over the classes in these places alone.

    A row that is answered with a class that came later is a miss of its own class, and nobody's false alarm: else one
    such row would add a class of F1 0 to a mean over classes.

    Args:
        known: places of the classes in the evidence's own order, each once.
    """
    classes = _count(evidence)
    if classes is None or len(known) >= classes:
        return evidence
    columns = class_columns(evidence).reshape(len(hits(evidence)), 3, classes)[:, :, list(known)]
    return {"hit": hits(evidence), "class_counts": np.ascontiguousarray(columns).reshape(len(columns), 3 * len(known))}


def present(evidence: Evidence) -> list[int]:
    """Places of the classes that a row has; none where there are no classes.

    >>> present({"label": np.array([2, 0]), "predicted": np.array([1, 1]), "probabilities": np.eye(3)[:2]})
    [0, 2]
    """
    classes = _count(evidence)
    if classes is None:
        return []
    support = class_columns(evidence).reshape(-1, 3, classes)[:, 1]
    return [int(place) for place in np.flatnonzero(support.any(axis=0))]


def _count(evidence: Evidence) -> int | None:
    """Classes of the evidence; None: it has none."""
    if kind_of(evidence) in ("single-label", "multi-label"):
        return int(targets_and_predictions(evidence)[0].shape[1])
    return evidence["class_counts"].shape[1] // 3 if "class_counts" in evidence else None


def fitting(names: Sequence[str], evidence: Evidence) -> list[str]:
    """The metrics that the evidence defines, in order."""
    made = {name: METRICS.make(name) for name in names}
    return [name for name, m in made.items() if not isinstance(m, ResampledMetric) or m.fits(evidence)]


def before_and_after(
    before: Evidence, after: Evidence, names: Sequence[str], *, resamples: int = 1000, confidence: float = 0.95
) -> dict[str, Any]:
    """Figures of both, and their paired difference, after minus before; JSON values.

    Args:
        names: metrics; those that the evidence does not define are left out.
    """
    chosen = fitting(names, after)
    first, second = (measure(evidence, chosen, resamples=resamples) for evidence in (after, before))
    compared = compare_measured(first, second, first_name="after", second_name="before", confidence=confidence)
    return {
        "rows": len(next(iter(after.values()))),
        "before": {name: figure.to_json() for name, figure in second.figures(confidence).items()},
        "after": {name: figure.to_json() for name, figure in first.figures(confidence).items()},
        "compared": {name: found.to_json() for name, found in compared.items()},
    }


def forgotten(kept: dict[str, Any], metric: str) -> dict[str, Any]:
    """How much of a metric was lost on the protected rows: ``value``, ``low``, ``high``; below 0 where it gained."""
    difference = kept["compared"][metric]["difference"]
    sign = -1 if METRICS.load(metric).higher_is_better else 1
    low, high = sorted(sign * difference[end] for end in ("low", "high"))
    return {"metric": metric, "value": sign * difference["value"], "low": low, "high": high}


def forgetting_words(kept: dict[str, Any], metric: str) -> str:
    """One sentence."""
    found, lost = kept["compared"][metric], forgotten(kept, metric)
    verdict = {
        "worse": "it has forgotten",
        "better": "it has even gained",
        "not distinguishable": "no more than by chance",
    }.get(found["verdict"], "not defined")
    return (
        f"On {kept['rows']:,} protected rows {metric} was {number(found['second_value'])} and is "
        f"{number(found['first_value'])}: forgetting {signed(lost['value'])} "
        f"({signed(lost['low'])} to {signed(lost['high'])}, {p_words(found['p_value'])}), {verdict}."
    )

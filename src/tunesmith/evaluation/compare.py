"""Two models on the same rows: is the difference more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Literal

import numpy as np

from tunesmith.core.artefacts import Figure
from tunesmith.core.contracts import Evidence, Metric
from tunesmith.core.errors import DataError
from tunesmith.evaluation.bootstrap import Measured, around, measure
from tunesmith.evaluation.evidence import Array, count_rows, hits
from tunesmith.evaluation.mcnemar import discordant_rows, mcnemar
from tunesmith.evaluation.words import number, p_words, signed

Verdict = Literal["better", "worse", "not distinguishable", "not defined"]

HIT_METRICS = frozenset({"accuracy", "subset_accuracy"})
"""Means of per-row hits, which McNemar's test fits exactly."""


@dataclass(frozen=True)
class Comparison:
    """One metric of two models on the same rows."""

    metric: str
    first: str
    second: str
    first_value: float
    second_value: float
    difference: Figure
    """First minus second, whichever direction is better."""
    p_value: float
    test: str
    verdict: Verdict
    """What ``first`` is, against ``second``."""
    words: str

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return {**self.__dict__, "difference": self.difference.to_json()}


def compare(
    first: Evidence,
    second: Evidence,
    metric_names: Sequence[str],
    *,
    first_name: str = "after tuning",
    second_name: str = "before tuning",
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 13,
) -> dict[str, Comparison]:
    """Each metric's difference, first minus second, with a paired interval, a p-value and a verdict in words.

    The same resamples are drawn for both. A difference counts as more than chance when its interval leaves out
    0 and, for per-row hits, McNemar's mid-p test agrees.

    Raises:
        DataError: the two do not have the same number of rows.
        RecipeError: a metric is unknown or does not fit.
    """
    measured = [measure(e, metric_names, resamples=resamples, seed=seed) for e in (first, second)]
    return compare_measured(*measured, first_name=first_name, second_name=second_name, confidence=confidence)


def compare_measured(
    first: Measured, second: Measured, *, first_name: str, second_name: str, confidence: float = 0.95
) -> dict[str, Comparison]:
    """``compare`` of two that were measured with the same seed and resamples."""
    rows = count_rows(first.evidence), count_rows(second.evidence)
    if rows[0] != rows[1]:
        raise DataError(
            f"{first_name} has {rows[0]} rows and {second_name} has {rows[1]}.",
            "Compare answers to the same rows, in the same order.",
        )
    found = {}
    for name, metric in first.metrics.items():
        values = first.values[name], second.values[name]
        differences = first.replicates[name] - second.replicates[name]
        difference = around(values[0] - values[1], differences, confidence)
        p, test = _test(name, first.evidence, second.evidence, differences)
        gain = gained(*values, metric)
        verdict = _verdict(difference, p, confidence, gain)
        words = _words(name, (first_name, second_name), values, difference, p, confidence, verdict)
        found[name] = Comparison(name, first_name, second_name, *values, difference, p, test, verdict, words)
    return found


def bootstrap_p(differences: Array) -> float:
    """Two-sided p-value of paired bootstrap differences: twice the smaller share on either side of 0.

    One is added above and below (Davison and Hinkley 1997, eq. 4.11), so that it is never 0.
    """
    defined = differences[~np.isnan(differences)]
    if defined.size == 0:
        return float("nan")
    side = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (side + 1) / (defined.size + 1)))


def _test(name: str, first: Evidence, second: Evidence, differences: Array) -> tuple[float, str]:
    if name in HIT_METRICS:
        return mcnemar(*discordant_rows(hits(second), hits(first))), "McNemar, mid-p"
    return bootstrap_p(differences), "paired bootstrap"


def gained(first: float, second: float, metric: Metric) -> bool:
    """Whether the first of two values of a metric is the better one."""
    if metric.aim is not None:
        return abs(first - metric.aim) < abs(second - metric.aim)
    return (first > second) == metric.higher_is_better


def _verdict(difference: Figure, p: float, confidence: float, gain: bool) -> Verdict:
    if isnan(difference.value):
        return "not defined"
    if difference.low <= 0 <= difference.high or p >= 1 - confidence:
        return "not distinguishable"
    return "better" if gain else "worse"


def _words(
    metric: str,
    names: tuple[str, str],
    values: tuple[float, float],
    difference: Figure,
    p: float,
    confidence: float,
    verdict: Verdict,
) -> str:
    first, second = names
    if verdict == "not defined":
        undefined = first if isnan(values[0]) else second
        return f"{metric} is not defined for {undefined}, so the two cannot be compared by it."
    figures = (
        f"{metric} {number(values[0])} against {number(values[1])}, difference {signed(difference.value)} "
        f"({confidence:.0%} interval {signed(difference.low)} to {signed(difference.high)}, {p_words(p)})."
    )
    if verdict == "not distinguishable":
        return f"Not distinguishable from the baseline: {first} and {second} differ no more than by chance; {figures}"
    return f"{first[0].upper()}{first[1:]} is {verdict} than {second}: {figures}"

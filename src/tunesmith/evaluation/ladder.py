"""What each step up costs: the cheap answers first, and the cheapest that is as good as the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.artefacts import Figure
from tunesmith.evaluation.compare import Comparison
from tunesmith.evaluation.words import times

LEAST_SECONDS = 0.001
"""A cost below the clock's grain is taken as this, so that ratios stay finite."""


def ladder(
    figures: Mapping[str, Figure], seconds: Mapping[str, Mapping[str, float]], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One rung a candidate, the cheapest first: ``key``, ``name``, ``figure`` and ``seconds`` (fit and predict)."""
    rungs = [
        {
            "key": key,
            "name": names.get(key, key),
            "figure": figure.to_json(),
            "seconds": total_seconds(seconds.get(key)),
        }
        for key, figure in figures.items()
    ]
    return sorted(rungs, key=lambda rung: float("inf") if rung["seconds"] is None else rung["seconds"])


def ladder_words(
    comparisons: Mapping[str, Comparison], seconds: Mapping[str, Mapping[str, float]], names: Mapping[str, str]
) -> str:
    """One sentence on whether the tuned model earns its cost.

    Args:
        comparisons: by baseline, "after" against it on the primary metric.
        seconds: by candidate, ``{"fit", "predict"}``.
        names: by candidate, as the sentence calls it.
    """
    tuned = names["after"]
    as_good = [key for key, c in comparisons.items() if c.verdict in ("worse", "not distinguishable")]
    cost = {key: total_seconds(seconds.get(key)) for key in (*comparisons, "after")}
    as_good.sort(key=lambda key: float("inf") if cost[key] is None else float(cost[key] or 0))
    if as_good:
        cheapest = as_good[0]
        is_what = "better than" if comparisons[cheapest].verdict == "worse" else "not distinguishable from"
        return f"{_upper(names[cheapest])} is {is_what} {tuned}{_cheaper(cost[cheapest], cost['after'])}."
    if not any(c.verdict == "better" for c in comparisons.values()):
        return ""
    best = max(comparisons.values(), key=lambda c: -abs(c.difference.value))
    key = next(key for key, c in comparisons.items() if c is best)
    return f"{_upper(tuned)} is better than every baseline{_dearer(names[key], cost[key], cost['after'])}."


def total_seconds(parts: Mapping[str, float] | None) -> float | None:
    """Fit and predict together; None where neither was measured."""
    return float(sum(parts.values())) if parts else None


def _cheaper(mine: float | None, tuned: float | None) -> str:
    ratio = _ratio(tuned, mine)
    if ratio is None:
        return ""
    return f" and {times(ratio)} times cheaper" if ratio >= 1.1 else " at about the same cost"


def _dearer(nearest: str, mine: float | None, tuned: float | None) -> str:
    ratio = _ratio(tuned, mine)
    if ratio is None or ratio < 1.1:
        return ""
    return f"; it cost {times(ratio)} times the seconds of the nearest, {nearest}"


def _ratio(above: float | None, below: float | None) -> float | None:
    if above is None or below is None:
        return None
    return max(above, LEAST_SECONDS) / max(below, LEAST_SECONDS)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]

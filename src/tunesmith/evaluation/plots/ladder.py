"""Figure and cost of each candidate, the cheapest on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from tunesmith.core.width import shorten
from tunesmith.evaluation.plots.svg import Scale, drawing, element, label, line, nice_ticks, place
from tunesmith.evaluation.words import duration, number

WIDTH, ROW, TOP = 960, 46, 34
FIGURE = (215.0, 560.0)
COST = (650.0, 850.0)
LEAST = 1e-3
"""Seconds where the cost scale begins."""


def ladder_plot(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Dots with intervals on the left, seconds as bars on a logarithmic scale on the right."""
    drawn = [row for row in rows if row["figure"]["value"] is not None]
    height = TOP + ROW * len(drawn) + 28
    low, high = _range(drawn)
    scale = (low, high, *FIGURE)
    parts = [
        label(FIGURE[0], 16, f"{metric}, with interval", kind="caption"),
        label(COST[0], 16, "seconds (logarithmic)", kind="caption"),
    ]
    for tick in nice_ticks(low, high, 4):
        x = place(tick, scale)
        parts += [
            line(x, TOP, x, height - 28, "grid"),
            label(x, height - 10, f"{tick:g}", anchor="middle", kind="tick"),
        ]
    most = max([row["seconds"] or 0 for row in drawn] + [1.0])
    for i, row in enumerate(drawn):
        parts.append(_rung(row, TOP + ROW * i + ROW / 2, scale, most))
    return drawing(WIDTH, height, parts, title=f"{metric} against cost")


def _rung(row: Mapping[str, Any], y: float, scale: Scale, most: float) -> str:
    kind = "tuned" if row["key"] == "after" else "other"
    figure = row["figure"]
    low, middle, high = (place(_or(figure[key], figure["value"]), scale) for key in ("low", "value", "high"))
    parts = [
        label(0, y + 4, shorten(row["name"], 30), kind=f"name {kind}", title=row["name"]),
        line(low, y, high, y, f"whisker {kind}"),
        element("circle", cx=middle, cy=y, r=6, class_=f"dot {kind}"),
        label(FIGURE[1] + 14, y + 4, number(figure["value"]), kind=f"value {kind}"),
    ]
    return "".join(parts) + _cost(row["seconds"], y, kind, most)


def _cost(seconds: float | None, y: float, kind: str, most: float) -> str:
    width = 0.0
    if seconds is not None:
        share = log10(max(seconds, LEAST) / LEAST) / log10(max(most, 1) / LEAST)
        width = max(2.0, share * (COST[1] - COST[0]))
    bar = element("rect", x=COST[0], y=y - 7, width=width, height=14, rx=3, class_=f"bar {kind}")
    return bar + label(COST[0] + width + 8, y + 4, duration(seconds), kind="tick")


def _range(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """What the figures span, with a margin; from 0 to 1 where that is near."""
    ends = [_or(row["figure"][key], row["figure"]["value"]) for row in rows for key in ("low", "high")]
    if not ends:
        return 0.0, 1.0
    low, high = min(ends), max(ends)
    margin = 0.06 * (high - low) or 0.05
    low, high = low - margin, high + margin
    if min(ends) >= 0 and low < 0.15 * high:
        low = 0.0
    if 0.8 < max(ends) <= 1:
        high = 1.0
    return low, high


def _or(value: float | None, other: float) -> float:
    return other if value is None else float(value)

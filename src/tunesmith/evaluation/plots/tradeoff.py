"""Quality against latency: a dot a candidate, its area the size of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10, sqrt
from typing import Any

from tunesmith.core.width import shorten
from tunesmith.evaluation.plots.svg import drawing, element, label, line, nice_ticks, place

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 70.0, 680.0, 30.0, 370.0
LARGEST = 16.0
"""Radius of the largest candidate's dot."""


def tradeoff_plot(
    candidates: Sequence[Mapping[str, Any]], metric: str, picked: str, *, what: str = "row", lower: bool = False
) -> str:
    """The upper left corner is where one wants to be.

    Args:
        candidates: ``name``, ``metric``, ``one`` (seconds a row), ``bytes``; those without a figure are left out.
        metric: its name.
        picked: name of the one that is marked.
        what: the times are of one of these.
        lower: whether a low metric is a good one.
    """
    drawn = [one for one in candidates if one["metric"] is not None and one["one"]]
    if len(drawn) < 2:
        return ""
    times = [log10(1e3 * one["one"]) for one in drawn]
    values = [float(one["metric"]) for one in drawn]
    margin = 0.08 * (max(values) - min(values)) or 0.01
    across = (min(times) - 0.1, max(times) + 0.1, LEFT, RIGHT)
    ends = (min(values) - margin, max(values) + margin)
    up = (*(reversed(ends) if lower else ends), BOTTOM, TOP)
    most = max(one["bytes"] for one in drawn)
    parts = [label(LEFT, 16, f"{metric}, against ms for one {what} (logarithmic)", kind="caption")]
    for tick in nice_ticks(*ends, 5):
        y = place(tick, up)
        parts += [line(LEFT, y, RIGHT, y, "grid"), label(LEFT - 8, y + 4, f"{tick:g}", anchor="end", kind="tick")]
    for tick in _powers(across[0], across[1]):
        x = place(log10(tick), across)
        parts += [line(x, TOP, x, BOTTOM, "grid"), label(x, BOTTOM + 18, f"{tick:g}", anchor="middle", kind="tick")]
    heights = _apart([place(value, up) for value in values])
    for one, time, value, height in zip(drawn, times, values, heights, strict=True):
        kind = "tuned" if one["name"] == picked else "other"
        x, y = place(time, across), place(value, up)
        radius = max(4.0, LARGEST * sqrt(one["bytes"] / most))
        parts += [
            element("circle", cx=x, cy=y, r=radius, class_=f"dot {kind}", fill_opacity=0.6),
            line(x + radius, y, RIGHT + 6, height, "grid"),
            label(RIGHT + 10, height + 4, shorten(one["name"], 30), kind=f"name {kind}", title=one["name"]),
        ]
    return drawing(WIDTH, HEIGHT, parts, title=f"{metric} against latency")


def _powers(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two logarithms.

    >>> _powers(-0.1, 1.05)
    [1.0, 2.0, 5.0, 10.0]
    """
    return [
        step * 10.0**power for power in range(-4, 7) for step in (1, 2, 5) if low <= log10(step * 10.0**power) <= high
    ]


def _apart(heights: Sequence[float], least: float = 17.0, lowest: float = BOTTOM + 20) -> list[float]:
    """Heights of the names: as those of the dots, but never on each other, and none below ``lowest``.

    >>> _apart([100.0, 101.0, 200.0])
    [100.0, 117.0, 200.0]
    >>> _apart([100.0, 195.0, 200.0], lowest=200.0)
    [100.0, 183.0, 200.0]
    """
    found = [0.0] * len(heights)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    last = float("-inf")
    for i in order:
        found[i] = last = max(heights[i], last + least)
    last = lowest + least
    for i in reversed(order):
        found[i] = last = min(found[i], last - least)
    return found

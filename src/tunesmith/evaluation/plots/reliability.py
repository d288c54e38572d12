"""Confidence against share right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.evaluation.plots.svg import drawing, element, label, line, nice_ticks, place, polyline

WIDTH, HEIGHT = 420, 400
LEFT, RIGHT, TOP, BOTTOM = 52.0, 408.0, 12.0, 300.0
COUNTS = (352.0, 312.0)
"""Bottom and top of the strip that shows how many decisions each bin holds."""


def reliability_plot(bins: Sequence[Mapping[str, Any]]) -> str:
    """Bars of the share right over confidence, the diagonal of perfect calibration, and the bins' sizes below."""
    x_scale, y_scale = (0.0, 1.0, LEFT, RIGHT), (0.0, 1.0, BOTTOM, TOP)
    most = max((b["count"] for b in bins), default=1)
    parts = []
    for tick in nice_ticks(0, 1, 5):
        y, x = place(tick, y_scale), place(tick, x_scale)
        parts += [
            line(LEFT, y, RIGHT, y, "grid"),
            label(LEFT - 8, y + 4, f"{tick:g}", anchor="end", kind="tick"),
            label(x, COUNTS[0] + 18, f"{tick:g}", anchor="middle", kind="tick"),
        ]
    for b in bins:
        x, width = place(b["low"], x_scale) + 1, place(b["high"], x_scale) - place(b["low"], x_scale) - 2
        top = place(b["accuracy"], y_scale)
        size = max(1.0, (COUNTS[0] - COUNTS[1]) * b["count"] / most)
        words = f"confidence {b['confidence']:.2f}, right {b['accuracy']:.2f}, {b['count']:,} decisions"
        hover = element("title", words)
        parts += [
            element("rect", hover, x=x, y=top, width=width, height=BOTTOM - top, class_="bar tuned soft"),
            element("rect", hover, x=x, y=COUNTS[0] - size, width=width, height=size, class_="bar other"),
        ]
    parts.append(polyline([(LEFT, BOTTOM), (RIGHT, TOP)], "diagonal"))
    parts += [
        element("circle", cx=place(b["confidence"], x_scale), cy=place(b["accuracy"], y_scale), r=4, class_="dot tuned")
        for b in bins
    ]
    parts.append(label((LEFT + RIGHT) / 2, HEIGHT - 6, "confidence", anchor="middle", kind="caption"))
    parts.append(label(LEFT + 6, TOP + 14, "share right", kind="caption"))
    return drawing(WIDTH, HEIGHT, parts, title="Reliability: share right by confidence")

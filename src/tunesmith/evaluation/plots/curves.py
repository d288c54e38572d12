"""Lines over steps: training loss, validation figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.evaluation.plots.svg import drawing, element, label, line, nice_ticks, place, polyline
from tunesmith.evaluation.words import number

WIDTH, HEIGHT = 520, 266
LEFT, RIGHT, TOP, BOTTOM = 48.0, 492.0, 30.0, 222.0

LINES = 3
"""As many have a colour and a place in the legend."""

Points = Sequence[tuple[float, float]]


def series(history: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    """(step, value) of a key ("loss", "validation/macro_f1") wherever the history has it."""
    group, _, inner = key.partition("/")
    found = []
    for entry in history:
        value = entry.get(group) if not inner else (entry.get(group) or {}).get(inner)
        if value is not None and entry.get("step") is not None:
            found.append((float(entry["step"]), float(value)))
    return found


def curves(lines: Mapping[str, Points], title: str) -> str:
    """One panel: up to ``LINES`` named lines over steps; lines of few points get dots. Empty where there is nothing."""
    lines = {name: thin(points) for name, points in lines.items() if points}
    if not lines:
        return ""
    xs, ys = zip(*(point for points in lines.values() for point in points), strict=True)
    low, high = min(ys), max(ys)
    margin = 0.06 * (high - low) or 0.05
    x_scale, y_scale = (min(xs), max(xs), LEFT, RIGHT), (low - margin, high + margin, BOTTOM, TOP)
    parts = _axes(x_scale, y_scale)
    for i, (name, points) in enumerate(lines.items()):
        placed = [(place(x, x_scale), place(y, y_scale)) for x, y in points]
        parts.append(polyline(placed, f"curve c{i}"))
        if len(placed) <= 40:
            parts += [
                element("circle", element("title", f"step {x:g}: {number(y)}"), cx=px, cy=py, r=3, class_=f"point c{i}")
                for (px, py), (x, y) in zip(placed, points, strict=True)
            ]
        parts.append(_legend(i, name))
    return drawing(WIDTH, HEIGHT, parts, title=title)


def thin(points: Points, most: int = 240) -> Points:
    """At most about ``most`` points: means of neighbours, so that a long run stays a small file."""
    size = -(-len(points) // most)
    if size <= 1:
        return points
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def _axes(x_scale: tuple[float, float, float, float], y_scale: tuple[float, float, float, float]) -> list[str]:
    parts = [label(RIGHT, HEIGHT - 4, "step", anchor="end", kind="tick")]
    for tick in nice_ticks(*y_scale[:2], 4):
        y = place(tick, y_scale)
        parts += [line(LEFT, y, RIGHT, y, "grid"), label(LEFT - 8, y + 4, f"{tick:g}", anchor="end", kind="tick")]
    for tick in nice_ticks(*x_scale[:2], 5):
        x = place(tick, x_scale)
        parts.append(label(x, BOTTOM + 18, f"{tick:g}", anchor="middle", kind="tick"))
    return parts


def _legend(i: int, name: str) -> str:
    x = LEFT + 150.0 * i
    return line(x, 12, x + 18, 12, f"curve c{i}") + label(x + 24, 16, name, kind="tick")

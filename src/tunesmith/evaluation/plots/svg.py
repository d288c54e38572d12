"""The few SVG elements that our plots are made of. All text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log10

Scale = tuple[float, float, float, float]
"""(from low, from high, to low, to high)"""


def element(tag: str, content: str = "", **attributes: object) -> str:
    """An element; ``content`` is SVG already, attributes are escaped (``class_`` -> class, ``stroke_width`` -> ...)."""
    given = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    return f"<{tag}{given}>{content}</{tag}>" if content else f"<{tag}{given}/>"


def label(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "", title: str = "") -> str:
    """A text at (x, y); ``title`` shows when pointed at."""
    hover = element("title", escape(title)) if title else ""
    return element("text", hover + (escape(text) or " "), x=x, y=y, text_anchor=anchor, class_=kind or None)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def drawing(width: float, height: float, parts: Iterable[str], *, title: str) -> str:
    """The whole: scales with the page, and is read aloud by its title."""
    return element(
        "svg",
        element("title", escape(title)) + "".join(parts),
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        style=f"max-width:{width:g}px;min-width:{min(width, max(300, 0.62 * width)):.0f}px",
    )


def place(value: float, scale: Scale) -> float:
    """A value on a scale, linear, kept inside it."""
    low, high, start, end = scale
    share = 0.5 if high == low else (value - low) / (high - low)
    return start + (end - start) * min(max(share, 0.0), 1.0)


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between ``low`` and ``high``.

    >>> nice_ticks(0, 1), nice_ticks(0.83, 0.92)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.84, 0.86, 0.88, 0.9, 0.92])
    """
    if high <= low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = ceil(low / step - 1e-9)
    last = floor(high / step + 1e-9)
    return [float(f"{i * step:.10g}") for i in range(first, last + 1)]


def polyline(points: Sequence[tuple[float, float]], kind: str) -> str:
    """A line through points."""
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=kind)


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(str(value), quote=True)

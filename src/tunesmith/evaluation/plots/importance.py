"""Which settings made trials good or bad."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.core.width import shorten
from tunesmith.evaluation.plots.svg import drawing, element, label

WIDTH, ROW = 640, 30
BARS = (220.0, 560.0)


def importance_plot(shares: Mapping[str, float]) -> str:
    """A bar a setting, the one that mattered most on top; empty where nothing is known.

    Args:
        shares: setting -> its share in the trials' differences, 0 to 1.
    """
    if not shares:
        return ""
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    most = max(share for _, share in ordered) or 1.0
    parts = []
    for i, (name, share) in enumerate(ordered):
        y = ROW * i + ROW / 2
        width = max(2.0, share / most * (BARS[1] - BARS[0]))
        parts += [
            label(0, y + 4, shorten(name, 30), kind="name other", title=name),
            element("rect", x=BARS[0], y=y - 7, width=width, height=14, rx=3, class_="bar tuned"),
            label(BARS[0] + width + 8, y + 4, f"{share:.0%}", kind="tick"),
        ]
    return drawing(WIDTH, ROW * len(ordered) + 6, parts, title="Importance of settings")

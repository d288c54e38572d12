"""The confusion matrix as shades."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.width import shorten, width_of
from tunesmith.evaluation.plots.svg import drawing, element, label

NAME_COLUMNS = 20
"""Columns that a class name may take on the left; a Chinese character takes two."""


def heatmap(labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """Rows are truths, columns predictions; a cell's shade is its share of the row, its number a count of rows."""
    k = len(labels)
    left = max(150.0, 7.2 * max(width_of(shorten(name, NAME_COLUMNS)) for name in labels) + 18)
    cell = min(84.0, max(30.0, 480.0 / max(k, 1)))
    top = 34.0 if k <= 4 else 110.0
    width, height = left + cell * k + 60, top + cell * k + 8
    parts = [label(left - 10, top - 12, "true ↓  predicted →", anchor="end", kind="caption")]
    for j, name in enumerate(labels):
        x = left + cell * (j + 0.5)
        if k <= 4:
            parts.append(label(x, top - 12, shorten(name, int(cell / 7)), anchor="middle", kind="tick", title=name))
        else:
            text = label(0, 0, shorten(name, 16), kind="tick", title=name)
            parts.append(element("g", text, transform=f"translate({x:.1f},{top - 8:.1f}) rotate(-50)"))
    for i, row in enumerate(matrix):
        y = top + cell * i
        parts.append(
            label(
                left - 10,
                y + cell / 2 + 4,
                shorten(labels[i], NAME_COLUMNS),
                anchor="end",
                kind="tick",
                title=labels[i],
            )
        )
        parts += [_cell(left + cell * j, y, cell, count, sum(row), i == j) for j, count in enumerate(row)]
    return drawing(width, height, parts, title="Confusion matrix")


def _cell(x: float, y: float, size: float, count: int, total: int, right: bool) -> str:
    share = count / total if total else 0.0
    box = element(
        "rect",
        element("title", f"{count:,} of {total:,} rows ({share:.1%})"),
        x=x + 1,
        y=y + 1,
        width=size - 2,
        height=size - 2,
        rx=3,
        class_="cell right" if right else "cell wrong",
        fill_opacity=f"{0.06 + 0.94 * share:.2f}",
    )
    text = f"{count:,}" if count else ("·" if size > 24 else "")
    kind = "count inverse" if share > 0.55 else "count"
    return box + label(x + size / 2, y + size / 2 + 4, text, anchor="middle", kind=kind)

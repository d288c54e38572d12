"""A table as plain lines: nothing is cut, whatever the terminal's width, and Chinese stands in its column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def aligned(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """A header and a line a row; whole numbers to the right, with thousands apart.

    >>> print(aligned(["name", "n"], [{"name": "茶馆", "n": 1200}, {"name": "shop", "n": 3}]))
    name      n
    茶馆  1,200
    shop      3
    """
    from rich.cells import cell_len

    cells = [[f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in columns] for row in rows]
    right = [bool(rows) and all(isinstance(row[name], int) for row in rows) for name in columns]
    table = [list(columns), *cells]
    widths = [max(cell_len(line[place]) for line in table) for place in range(len(columns))]

    def padded(text: str, width: int, to_the_right: bool) -> str:
        blanks = " " * (width - cell_len(text))
        return blanks + text if to_the_right else text + blanks

    return "\n".join("  ".join(map(padded, line, widths, right)).rstrip() for line in table)

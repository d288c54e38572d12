"""Some cells of every column, from the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Samples(Mapping[str, list[Any]]):
    """Column -> its cells that are not empty.

    Args:
        cells: column -> cells of the same rows, empty ones too.
    """

    def __init__(self, cells: Mapping[str, list[Any]]) -> None:
        self._cells = cells

    def __getitem__(self, name: str) -> list[Any]:
        return [value for value in self._cells[name] if value not in (None, "")]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    def beside(self, *names: str) -> list[tuple[Any, ...]]:
        """The cells of several columns, row by row, where none of them is empty.

        >>> Samples({"a": [1, None, 3], "b": ["x", "y", "z"]}).beside("a", "b")
        [(1, 'x'), (3, 'z')]
        """
        together = zip(*(self._cells[name] for name in names), strict=True)
        return [row for row in together if not any(value in (None, "") for value in row)]

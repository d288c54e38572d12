"""What a written answer is worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from tunesmith.core.contracts.rows import Row


class Reward(ABC):
    """What a written answer is worth, where a model learns from what it writes itself."""

    name: ClassVar[str]
    summary: ClassVar[str]
    reads: tuple[str, ...] = ()
    """Roles of the rows that it compares with; the recipe must name their columns."""

    def problem(self) -> str | None:
        """Why it cannot be used, in words, before anything heavy is loaded; None where it can."""
        return None

    @abstractmethod
    def __call__(self, rows: Sequence[Row], texts: Sequence[str]) -> list[float]:
        """One number a text, the more the better.

        Args:
            rows: the row that each text answers; a row may stand here often.
        """

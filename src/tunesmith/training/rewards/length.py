"""Is an answer as long as it should be?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Reward, Row
from tunesmith.core.errors import RecipeError


class Length(Reward):
    """1 between two lengths; outside it falls evenly, to 0 at no character and at twice the most.

    >>> Length(least=10, most=20)([{}] * 4, ["a" * n for n in (5, 10, 25, 50)])
    [0.5, 1.0, 0.75, 0.0]

    Args:
        least: characters. A Chinese character says as much as about two letters.
        most: characters.
    """

    name: ClassVar[str] = "length"
    summary: ClassVar[str] = "1 between two numbers of characters, falling evenly outside"

    def __init__(self, least: Annotated[int, Field(ge=0)] = 1, most: Annotated[int, Field(ge=1)] = 200) -> None:
        if least > most:
            raise RecipeError(f'The reward "length" has least={least} and most={most}.', "Set most to least or more.")
        self.least, self.most = least, most

    def __call__(self, rows: Sequence[Row], texts: Sequence[str]) -> list[float]:
        """One number a text."""
        return [self._of(len(text.strip())) for text in texts]

    def _of(self, length: int) -> float:
        if length < self.least:
            return length / self.least
        return max(0.0, 1.0 - max(0, length - self.most) / self.most)

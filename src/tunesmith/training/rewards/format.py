"""Is an answer written as it should be?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from tunesmith.core.contracts import Reward, Row
from tunesmith.core.errors import RecipeError


class Format(Reward):
    r"""1 where a pattern is found in the answer, else 0.

    >>> Format(r"Answer: \d+", whole=True)([{}, {}], ["Answer: 12", "It is 12. Answer: 12"])
    [1.0, 0.0]

    Args:
        pattern: a regular expression of Python; a dot is any character, new lines included.
        whole: whether the answer must be nothing else.
    """

    name: ClassVar[str] = "format"
    summary: ClassVar[str] = "1 where a regular expression is found in the answer"

    def __init__(self, pattern: str = r"\S", whole: bool = False) -> None:
        try:
            self._pattern = re.compile(pattern, re.DOTALL)
        except re.error as error:
            raise RecipeError(
                f'The reward "format" has a pattern that is no regular expression: {pattern!r} ({error}).', "Mend it."
            ) from error
        self.pattern = pattern
        self.whole = whole

    def __call__(self, rows: Sequence[Row], texts: Sequence[str]) -> list[float]:
        """One number a text."""
        look = self._pattern.fullmatch if self.whole else self._pattern.search
        return [float(look(text.strip()) is not None) for text in texts]

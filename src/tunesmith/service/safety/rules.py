"""Regular expressions of a policy, which no text can make run for long."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tunesmith.core.errors import RecipeError
from tunesmith.core.extras import need
from tunesmith.service.safety.words import Place


class TooSlow(Exception):
    """A rule could not be tried to its end in time: what it is to find may be there."""


class Rules:
    """Regular expressions, searched in a text by NFKC; case counts unless a rule begins with ``(?i)``.

    Args:
        patterns: in the syntax of the package ``regex``, which is that of ``re`` and more.

    Raises:
        RecipeError: a pattern is none, or finds the empty text.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [_compiled(pattern) for pattern in patterns]

    def find(self, text: str, until: float) -> list[Place]:
        """Places in order, none within another.

        Args:
            until: when to give up, by ``time.perf_counter``. ``re`` could not: ``(a+)+$`` takes it 2**n steps.

        Raises:
            TooSlow: the time is over.
        """
        found: list[Place] = []
        try:
            for pattern in self._patterns:
                # At least a millisecond, so that one slow rule does not make TooSlow of all that come after it.
                left = max(until - time.perf_counter(), 0.001)
                found += [match.span() for match in pattern.finditer(text, timeout=left) if match.group()]
        except TimeoutError:
            raise TooSlow from None
        return apart(found)

    def begun(self, text: str, until: float) -> int:
        """How many of the last characters of a text may become a match, or a longer one, with what follows.

        Raises:
            TooSlow: the time is over.
        """
        first = len(text)
        try:
            for pattern in self._patterns:
                left = max(until - time.perf_counter(), 0.001)
                for match in pattern.finditer(text, partial=True, timeout=left):
                    if match.partial or match.end() == len(text):
                        first = min(first, match.start())
        except TimeoutError:
            raise TooSlow from None
        return len(text) - first


def apart(places: Sequence[Place]) -> list[Place]:
    """Places in order; those that overlap are one.

    >>> apart([(3, 6), (0, 2), (5, 9)])
    [(0, 2), (3, 9)]
    """
    joined: list[Place] = []
    for start, end in sorted(places):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _compiled(pattern: str) -> Any:
    regex = need("regex", extra="serve", purpose="rules of a policy")
    try:
        made = regex.compile(pattern)
    except regex.error as error:
        raise RecipeError(f'The rule "{pattern}" is no regular expression: {error}.', "Mend it.") from error
    if made.search("") is not None:
        raise RecipeError(f'The rule "{pattern}" finds the empty text, and so everything.', "Make it ask for more.")
    return made

"""The words of a text, and the text with some of them changed."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tunesmith.data.words_in_text import is_unspaced_letter, units

Span = tuple[int, int]


def words(text: str) -> list[Span]:
    """(start, end) of words and numbers; in Chinese and its like, of each character. Signs are left out.

    >>> words("No, 谢谢")
    [(0, 2), (4, 5), (5, 6)]
    """
    return [(start, end) for start, end in units(text) if text[start:end].isalnum()]


def some(count: int, rate: float, draw: random.Random) -> list[int]:
    """Places drawn of ``count``: the rate's share of them, one at least; ascending."""
    wanted = min(count, max(1, round(count * rate))) if count else 0
    return sorted(draw.sample(range(count), wanted))


def replaced(text: str, changes: Mapping[Span, str]) -> str:
    """The text with other words at these spans, which do not overlap.

    >>> replaced("a good day", {(2, 6): "fine"})
    'a fine day'
    """
    found, at = [], 0
    for (start, end), word in sorted(changes.items()):
        found += [text[at:start], word]
        at = end
    return "".join([*found, text[at:]])


def is_unspaced(text: str, span: Span) -> bool:
    """Whether the word is a character of a language without spaces."""
    return is_unspaced_letter(text[span[0]])

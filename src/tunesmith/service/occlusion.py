"""Which words an answer hangs on: each is left out in turn, and the loss of the answer's score is its weight.

Erasure, Li, Monroe and Jurafsky 2016, "Understanding neural networks through representation erasure", section 3.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from tunesmith.data.words_in_text import UNSPACED

_UNIT = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+(?:['’-][^\W_{UNSPACED}]+)*")


def units(text: str, most: int = 96) -> list[tuple[int, int]]:
    """Where the words are: (start, end). Chinese is cut into characters.

    A text of more than ``most`` words has neighbours joined, so that there are no more than that.

    >>> units("It's not good, 不好")
    [(0, 4), (5, 8), (9, 13), (15, 16), (16, 17)]
    """
    found: list[tuple[int, int]] = []
    for match in _UNIT.finditer(text):
        letters = re.match(f"[{UNSPACED}]", match.group())
        found += [(i, i + 1) for i in range(*match.span())] if letters else [match.span()]
    step = math.ceil(len(found) / most) or 1
    return [(some[0][0], some[-1][1]) for some in (found[i : i + step] for i in range(0, len(found), step))]


def without(text: str, span: tuple[int, int]) -> str:
    """The text with a part left out; never empty, for an empty text cannot be asked.

    >>> without("not good", (0, 3))
    'good'
    """
    return re.sub(r"\s+", " ", text[: span[0]] + text[span[1] :]).strip() or "."


def weights(score: float, scores_without: Sequence[float]) -> list[float]:
    """How much the score falls when each is left out: above 0 speaks for the answer, below 0 against it."""
    return [score - one for one in scores_without]

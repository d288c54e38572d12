"""Many words sought in a text at once.

Chinese is written without spaces, so a Chinese word counts wherever it stands. In scripts with spaces a word counts
only where it stands alone: "ass" is not in "class", but it is in "你这个ass啊".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from operator import add

from tunesmith.service.safety.normal import normal

PREFIX = 2
"""Characters by which words are looked up first: the cost of a text does not grow with the number of words."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u303f\u3040-\u30ff\u3100-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Chinese, kana; and Hangul, whose words carry their particles with them."""
_SPACED = re.compile(rf"[^\W{_UNSPACED}]")

Place = tuple[int, int]


class Words:
    """A list of words and phrases, in any spelling that ``normal`` makes one.

    >>> Words(["ass", "笨蛋"]).find(normal("First class! Ａｓｓ. 你是大笨蛋"))
    [(13, 16), (21, 23)]
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = frozenset(spelled for word in words if (spelled := normal(word).strip()))
        lengths: dict[str, set[int]] = {}
        for word in self.words:
            lengths.setdefault(word[:PREFIX], set()).add(len(word))
        self._lengths = {prefix: sorted(found, reverse=True) for prefix, found in lengths.items()}
        self._single = any(len(word) < PREFIX for word in self.words)
        self._longest_word = max(map(len, self.words), default=0)

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        return frozenset(word[:end] for word in self.words for end in range(1, len(word) + 1))

    def begun(self, text: str) -> int:
        """How many of the last characters of a text, ``normal`` already, may become a word with what follows.

        A word that ends the text counts: "ass" may go on as "assume".

        >>> Words(["bad word"]).begun("a very bad wo"), Words(["ass"]).begun("an ass")
        (6, 3)
        """
        lengths = range(min(self._longest_word, len(text)), 0, -1)
        return next((n for n in lengths if text[-n:] in self._beginnings), 0)

    def find(self, text: str) -> list[Place]:
        """Where they stand in a text that is ``normal`` already: the longest at each place, none within another."""
        found: list[Place] = []
        end = 0
        for index in self._candidates(text):
            if index >= end and (stop := self._longest(text, index)):
                found.append((index, stop))
                end = stop
        return found

    def _candidates(self, text: str) -> list[int]:
        """Places whose first characters are those of a word; most of a text's cost is here."""
        pairs = self._lengths.keys()
        here = [index for index, pair in enumerate(map(add, text, text[1:])) if pair in pairs]
        if not self._single:
            return here
        return sorted({*here, *(index for index, character in enumerate(text) if character in pairs)})

    def _longest(self, text: str, start: int) -> int:
        lengths = self._lengths.get(text[start : start + PREFIX], [])
        for length in [*lengths, 1] if self._single else lengths:
            stop = start + length
            if stop <= len(text) and text[start:stop] in self.words and stands_alone(text, start, stop):
                return stop
        return 0


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a word does not go on at either side; it never does in a script without spaces."""
    before = start > 0 and _SPACED.match(text[start - 1]) and _SPACED.match(text[start])
    after = end < len(text) and _SPACED.match(text[end]) and _SPACED.match(text[end - 1])
    return not before and not after

"""Words of a text without spaces, found in the corpus itself: runs of characters that stand together too often.

No dictionary knows the words of every field (当事人, 违约金); a corpus of the field has them hundreds of times.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from tunesmith.data.words_in_text import UNSPACED

LONGEST = 4
"""Characters of a word."""
LEAST = 8
"""Times that a word stands in the corpus."""
COHESION = 30.0
"""How much oftener a word's parts must stand together than chance would have it."""
INSIDE = 0.7
"""A run that has one and the same neighbour oftener than this is a part of a word, and none itself."""
SMALL = frozenset("的了着和与及或是在")
"""Letters that join words and are in few."""
ENOUGH = 1_500_000
"""Characters that words are learned from."""

_RUN = re.compile(f"[{UNSPACED}]+")


def found_words(texts: Iterable[str], *, least: int = LEAST, cohesion: float = COHESION) -> frozenset[str]:
    """Words of 2 to 4 letters, of languages written without spaces.

    A run of letters is a word where, at each place that it can be divided at, its two parts stand together
    ``cohesion`` times as often as they would by chance (pointwise mutual information; Sproat & Shih 1990), and where
    what stands beside it changes.

    >>> sorted(found_words(["合同法的规定", "的合同有", "有规定的", "法规定合同"] * 20, cohesion=2))
    ['合同', '规定']
    """
    counts: list[Counter[str]] = [Counter() for _ in range(LONGEST + 2)]
    seen = 0
    for text in islice(texts, 200_000):
        for match in _RUN.finditer(text):
            run = match[0]
            for size in range(1, LONGEST + 2):
                counts[size].update(run[i : i + size] for i in range(len(run) - size + 1))
        seen += len(text)
        if seen > ENOUGH:
            break
    total = max(1, sum(counts[1].values()))
    beside: dict[str, int] = {}
    for size in range(3, LONGEST + 2):
        for run, count in counts[size].items():
            if count >= least:
                for part in (run[1:], run[:-1]):
                    beside[part] = max(beside.get(part, 0), count)

    def bound(word: str) -> float:
        return min(
            counts[len(word)][word] * total / (counts[i][word[:i]] * counts[len(word) - i][word[i:]])
            for i in range(1, len(word))
        )

    return frozenset(
        word
        for size in range(2, LONGEST + 1)
        for word, count in counts[size].items()
        if count >= least
        and not SMALL.intersection(word)
        and beside.get(word, 0) <= INSIDE * count
        and bound(word) >= cohesion
    )


def word_starts(text: str, known: frozenset[str]) -> list[int]:
    """Where words start in the parts of a text that have no spaces: the longest known word first.

    >>> word_starts("我喜欢北京, yes", frozenset({"喜欢", "北京"}))
    [0, 1, 3]
    """
    starts = []
    for match in _RUN.finditer(text):
        place, end = match.span()
        while place < end:
            starts.append(place)
            size = next((n for n in range(min(LONGEST, end - place), 1, -1) if text[place : place + n] in known), 1)
            place += size
    return starts

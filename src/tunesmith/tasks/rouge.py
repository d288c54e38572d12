"""ROUGE: how many runs of words a text shares with a reference (Lin 2004).

A Chinese or Japanese character is a word by itself: libraries that take only ``[a-z0-9]`` give such texts 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tunesmith.data.word_runs import runs, words


def rouge(text: str, references: Sequence[str]) -> tuple[float, float, float]:
    """F1 of shared words, of shared pairs and of the longest common subsequence, each with its best reference.

    >>> [round(one, 3) for one in rouge("the cat sat", ["the cat lay", "dogs"])]
    [0.667, 0.5, 0.667]
    """
    one = words(text)
    scores = [_scores(one, words(reference)) for reference in references]
    first, second, longest = (max(column) for column in zip(*scores, strict=True))
    return first, second, longest


def _scores(one: list[str], other: list[str]) -> tuple[float, float, float]:
    pairs = list(runs(one, 2)), list(runs(other, 2))
    return (
        _f1((Counter(one) & Counter(other)).total(), len(one), len(other)),
        _f1((Counter(pairs[0]) & Counter(pairs[1])).total(), len(pairs[0]), len(pairs[1])),
        _f1(longest_common(one, other), len(one), len(other)),
    )


def _f1(shared: int, one: int, other: int) -> float:
    return 2 * shared / (one + other) if one + other else 0.0


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table as the bits of a number (Hyyrö 2004).

    >>> longest_common("abcbdab", "bdcaba")
    4
    """
    places: dict[str, int] = {}
    for i, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << i
    whole = (1 << len(one)) - 1
    row = whole
    for word in other:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & whole
    return len(one) - row.bit_count()

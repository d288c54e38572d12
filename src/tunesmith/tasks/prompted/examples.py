"""Labelled examples for a prompt: those that are nearest to the text, and the order in which they stand."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from tunesmith.data.word_runs import words

Order = Literal["near-last", "near-first", "drawn", "fixed"]
"""Retrieved examples with the nearest last or first, or in a drawn order; or the same drawn ones for every text."""
POOL = 256
"""Examples that a bundle keeps at most."""


def pool_of(rows: Sequence[Mapping[str, object]], seed: int = 13, most: int = POOL) -> list[tuple[str, str]]:
    """Texts and labels to draw examples from, each label with the same share."""
    by_label: dict[str, list[str]] = {}
    for row in rows:
        by_label.setdefault(str(row["label"]), []).append(str(row["text"]))
    draw = random.Random(seed)
    for texts in by_label.values():
        draw.shuffle(texts)
    places = range(max(map(len, by_label.values()), default=0))
    mixed = [(texts[i], label) for i in places for label, texts in sorted(by_label.items()) if i < len(texts)]
    return mixed[:most]


class Retrieval:
    """The nearest examples by the words that they share with a text, rare words counting more.

    Cosine of TF-IDF (Salton & Buckley 1988); a Chinese character is a word.
    """

    def __init__(self, pool: Sequence[tuple[str, str]]) -> None:
        self.pool = list(pool)
        bags = [Counter(words(text)) for text, _ in pool]
        spread = Counter(word for bag in bags for word in bag)
        self.rarity = {word: math.log((1 + len(bags)) / (1 + count)) + 1 for word, count in spread.items()}
        self.vectors = [self._weighted(bag) for bag in bags]

    def nearest(self, text: str, count: int) -> list[tuple[str, str]]:
        """The nearest ones, the nearest first; never the text itself."""
        own = self._weighted(Counter(words(text)))
        scores = [sum(weight * other.get(word, 0.0) for word, weight in own.items()) for other in self.vectors]
        order = sorted(range(len(self.pool)), key=lambda i: (-scores[i], i))
        return [self.pool[i] for i in order if self.pool[i][0] != text][:count]

    def _weighted(self, bag: Counter[str]) -> dict[str, float]:
        raw = {word: (1 + math.log(count)) * self.rarity.get(word, 0.0) for word, count in bag.items()}
        size = math.sqrt(sum(weight * weight for weight in raw.values())) or 1.0
        return {word: weight / size for word, weight in raw.items()}


def chosen(retrieval: Retrieval, text: str, count: int, order: Order) -> list[tuple[str, str]]:
    """The examples of a text, the nearest first; where they are the same for every text, those."""
    if not count:
        return []
    if order == "fixed":
        return [one for one in retrieval.pool if one[0] != text][:count]
    return retrieval.nearest(text, count)


def in_order(some: Sequence[tuple[str, str]], text: str, order: Order, seed: int) -> list[tuple[str, str]]:
    """Examples in the order in which they stand in the prompt of a text.

    Args:
        some: the nearest first.
    """
    placed = list(some)
    if order == "near-last":
        return placed[::-1]
    if order in ("drawn", "fixed"):
        random.Random(seed if order == "fixed" else f"{seed}/{text}").shuffle(placed)
    return placed

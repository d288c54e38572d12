"""Words that change places: random swap of EDA (Wei & Zou 2019)."""

from __future__ import annotations

import random
from typing import ClassVar

from tunesmith.core.contracts import Augmentation
from tunesmith.data.augment.pieces import is_unspaced, replaced, some, words

NEAR = 2
"""Chinese characters change places with one at most so far away: further, and no word of the text is left."""


class RandomSwap(Augmentation):
    """Lets some words change places with another of the text; in Chinese, characters with one near by.

    Args:
        share: rows that are added, as a share of the training rows.
        rate: share of a text's words that are moved, one at least.
    """

    name: ClassVar[str] = "random_swap"
    summary: ClassVar[str] = "words (in Chinese near characters) change places (EDA, Wei & Zou 2019)"

    def rewrite(self, text: str, draw: random.Random) -> str:
        """The same words in another order; a text without two different words stays as it is."""
        spans = words(text)
        order = [text[start:end] for start, end in spans]
        spaced = not any(is_unspaced(text, span) for span in spans)
        for place in some(len(order), self.rate / 2, draw):
            others = [i for i in range(len(order)) if order[i] != order[place] and (abs(i - place) <= NEAR or spaced)]
            if others:
                other = draw.choice(others)
                order[place], order[other] = order[other], order[place]
        return replaced(text, dict(zip(spans, order, strict=True)))

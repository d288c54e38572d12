"""Words left out: random deletion of EDA (Wei & Zou 2019)."""

from __future__ import annotations

import random
from typing import ClassVar

from tunesmith.core.contracts import Augmentation
from tunesmith.data.augment.pieces import replaced, some, words


class RandomDeletion(Augmentation):
    """Leaves some words out; in Chinese, some characters. A text of one word stays.

    Args:
        share: rows that are added, as a share of the training rows.
        rate: share of a text's words that go, one at least.
    """

    name: ClassVar[str] = "random_deletion"
    summary: ClassVar[str] = "some words (in Chinese characters) left out (EDA, Wei & Zou 2019)"

    def rewrite(self, text: str, draw: random.Random) -> str:
        """The text without some of its words, and without the space that followed them."""
        found = words(text)
        gone = [found[i] for i in some(len(found), self.rate, draw)][: len(found) - 1]
        return replaced(text, {(start, _past_space(text, end)): "" for start, end in gone}).strip()


def _past_space(text: str, end: int) -> int:
    return end + 1 if text[end : end + 1] == " " else end

"""Two parts of a text: does the second follow the first, or is it of another text?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tunesmith.core.contracts import Feature
from tunesmith.objectives.sentence_order import SentenceOrder


class NextSentence(SentenceOrder):
    """A part of a document and what follows it, or a part of another one (BERT, Devlin et al. 2019, 3.1).

    The part of another document is as long as the one that follows: lengths tell nothing.
    """

    name: ClassVar[str] = "next-sentence"
    summary: ClassVar[str] = "whether one part of a text follows the other, or is of another text"
    names: ClassVar[tuple[str, str]] = ("follows", "elsewhere")

    def pair(self, feature: Feature, label: int) -> tuple[np.ndarray, np.ndarray]:
        """The two texts of a label."""
        return feature["first"], feature["second"] if label == 0 else feature["other"]

"""There and back: a text translated into another language and back again (Sennrich et al. 2016)."""

from __future__ import annotations

import random
from typing import ClassVar

from tunesmith.core.contracts import Augmentation
from tunesmith.core.errors import RecipeError


class BackTranslation(Augmentation):
    """Needs two bundles that translate, which this version cannot tune yet: asking for it is an error.

    Args:
        share: rows that are added, as a share of the training rows.
        rate: not used: a translation changes what it will.
    """

    name: ClassVar[str] = "back_translation"
    summary: ClassVar[str] = "through another language and back; needs translation bundles, not to be had yet"

    def rewrite(self, text: str, draw: random.Random) -> str:
        """Raises RecipeError."""
        raise unavailable()


def unavailable() -> RecipeError:
    """Why, and what to take instead."""
    return RecipeError(
        "data.augment: back_translation needs two translation bundles, and there is no translation task yet.",
        "Use synonyms, typos, random_deletion or random_swap.",
    )

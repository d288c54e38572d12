"""There and back: a text translated into another language and back again (Sennrich et al. 2016; Edunov et al. 2018)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Protocol

from pydantic import Field

from tunesmith.core.contracts import Augmentation
from tunesmith.core.errors import RecipeError


class Translator(Protocol):
    """What translates texts, all at once."""

    source_language: str
    target_language: str

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """A translation of each text."""
        ...


Open = Callable[[str, float], Translator]
"""The path of a bundle, and the temperature it writes with -> what translates; weights load with the first text."""


class BackTranslation(Augmentation):
    """Through any two bundles that translate, from the rows' language and back into it.

    Args:
        there: the bundle that translates the rows' texts.
        back: the bundle that translates what it gives back into their language.
        share: rows that are added, as a share of the training rows.
        temperature: 0 writes the likeliest translation; more draws others, which vary more.
    """

    name: ClassVar[str] = "back_translation"
    summary: ClassVar[str] = "through another language and back, by two translation bundles (Sennrich et al. 2016)"

    def __init__(
        self,
        there: str = "",
        back: str = "",
        share: Annotated[float, Field(gt=0, le=10)] = 0.5,
        temperature: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        super().__init__(share)
        self.there, self.back, self.temperature = there, back, temperature
        self._through: tuple[Translator, Translator] | None = None

    def bind(self, open_bundle: Open) -> None:
        """Open both bundles; weights are loaded with the first text.

        Raises:
            RecipeError: one is missing or does not translate, or they do not lead there and back.
        """
        if not (self.there and self.back):
            raise RecipeError(
                "data.augment: back_translation needs two translation bundles, there and back.",
                "data.augment=[{name: back_translation, there: BUNDLE, back: BUNDLE}]; tune one first.",
            )
        there, back = open_bundle(self.there, self.temperature), open_bundle(self.back, self.temperature)
        ends = (there.source_language, there.target_language), (back.target_language, back.source_language)
        if ends[0] != ends[1]:
            raise RecipeError(
                f"data.augment: back_translation goes {ends[0][0]} to {ends[0][1]} by there, and {ends[1][1]} to "
                f"{ends[1][0]} by back.",
                "Take two bundles of the same two languages, one in each direction.",
            )
        self._through = (there, back)

    def try_out(self, draw: random.Random) -> None:
        """Nothing: what is bound can, and its weights are much to load for a trial."""

    def rewrite(self, text: str, draw: random.Random) -> str:
        """One text, there and back."""
        return self.rewrite_all([text], draw)[0]

    def rewrite_all(self, texts: Sequence[str], draw: random.Random) -> list[str]:
        """All texts, in two passes."""
        if self._through is None:
            raise RecipeError("back_translation has no bundles here: it stands in data.augment alone.")
        for translate in self._through:
            texts = translate(texts)
        return list(texts)

"""Bundles that translate, for what asks texts of them and not rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import read_bundle
from tunesmith.core.errors import RecipeError


class BundleTranslator:
    """A translation bundle, asked for many texts at once; its weights are loaded with the first ones.

    Args:
        path: of the bundle.
        temperature: 0 writes the likeliest translation.

    Raises:
        BundleError: there is no bundle, or it is damaged.
        RecipeError: its task is another one.
    """

    def __init__(self, path: str, temperature: float = 0.0) -> None:
        bundle = read_bundle(path)
        if bundle.task.name != "translation":
            raise RecipeError(
                f"{path} is a bundle for {bundle.task.name}, and does not translate.", "Name a translation bundle."
            )
        self._bundle = bundle.asked({"temperature": temperature}) if temperature else bundle
        self.source_language = str(bundle.task.state.get("source_language", ""))
        self.target_language = str(bundle.task.state.get("target_language", ""))

    @cached_property
    def _predictor(self) -> Predictor:
        return self._bundle.predictor()

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """A translation of each text; a blank one stays."""
        asked = [i for i, text in enumerate(texts) if text.strip()]
        found = list(texts)
        for i, answer in zip(asked, self._predictor.predict([{"text": texts[i]} for i in asked]), strict=True):
            found[i] = str(answer["text"])
        return found

"""What another model thinks of an answer: a classifier that was tuned before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.core.contracts import Reward, Row
from tunesmith.core.errors import BundleError, RecipeError

ABLE = ("text-classification", "multi-label-classification")


class OfBundle(Reward):
    """A bundle's probability that the answer is of a class. It is loaded when the first answer is there.

    A classifier can be pleased by texts that nobody likes: read some of what is written, and keep ``max_kl`` low.

    Args:
        path: the bundle's folder.
        label: the class.
    """

    name: ClassVar[str] = "bundle"
    summary: ClassVar[str] = "a bundle's probability that the answer is of a class"

    def __init__(self, path: str = "", label: str = "") -> None:
        self.path, self.label = path, label
        self._predictor: Any = None

    def problem(self) -> str | None:
        """What is wrong with the bundle, from its manifest alone."""
        from tunesmith.bundle.read import read_manifest

        try:
            record = read_manifest(Path(self.path)).task
        except BundleError as error:
            return f'of the reward "bundle": {error.problem}'
        if record.name not in ABLE:
            return f'the reward "bundle" needs one of {" or ".join(ABLE)}; {self.path} is of {record.name}.'
        labels = record.state.get("labels", [])
        if self.label not in labels:
            return f'the bundle {self.path} has no class "{self.label}"; its classes are {", ".join(labels)[:200]}.'
        return None

    def __call__(self, rows: Sequence[Row], texts: Sequence[str]) -> list[float]:
        """One probability a text; 0 for an empty one.

        Raises:
            BundleError: the bundle cannot be read.
        """
        if why := self.problem():
            raise RecipeError(why, "Name another bundle, or another label.")
        full = [i for i, text in enumerate(texts) if text.strip()]
        found = [0.0] * len(texts)
        if not full:
            return found
        for i, prediction in zip(full, self._predicted([texts[i] for i in full]), strict=True):
            found[i] = float(prediction["scores"][self.label])
        return found

    def _predicted(self, texts: list[str]) -> list[dict[str, Any]]:
        if self._predictor is None:
            from tunesmith.bundle.read import read_bundle

            self._predictor = read_bundle(self.path).predictor()
        predictions: list[dict[str, Any]] = self._predictor.predict([{"text": text} for text in texts])
        return predictions

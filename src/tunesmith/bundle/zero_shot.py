"""Pictures named and found by texts that no row was labelled with: what a bundle of image-text-alignment is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.bundle.read import Bundle
from tunesmith.core.contracts import Prediction
from tunesmith.core.errors import RecipeError

ALIGNED = "image-text-alignment"


def named(bundle: Bundle, pictures: Sequence[str], labels: Sequence[str], template: str = "{}") -> list[Prediction]:
    """The label that is nearest to each picture, and the probabilities of all.

    Args:
        pictures: paths, or inline data.
        labels: texts, two at least.
        template: what a label is put into before it is read, for example "a photo of a {}".

    Raises:
        RecipeError: the bundle is of another task, or there are fewer than two labels.
    """
    if len(set(labels)) < 2:
        raise RecipeError("Fewer than two labels were given.", "Give the labels to choose from.")
    texts = _vectors(bundle, [{"text": template.replace("{}", label)} for label in labels], "vector")
    seen = _vectors(bundle, [{"image": picture} for picture in pictures], "vector_pair")
    logits = seen @ texts.T * float(getattr(bundle.task, "scale", 1.0))
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return [
        {
            "label": labels[int(row.argmax())],
            "score": float(row.max()),
            "scores": {label: float(p) for label, p in zip(labels, row, strict=True)},
        }
        for row in shares
    ]


def found(bundle: Bundle, text: str, pictures: Sequence[str], most: int = 10) -> list[tuple[str, float]]:
    """The pictures that are nearest to a text, the nearest first, with their cosines."""
    (asked,) = _vectors(bundle, [{"text": text}], "vector")
    cosines = _vectors(bundle, [{"image": picture} for picture in pictures], "vector_pair") @ asked
    return [(pictures[i], float(cosines[i])) for i in np.argsort(-cosines, kind="stable")[:most].tolist()]


def _vectors(bundle: Bundle, rows: Sequence[Any], key: str) -> np.ndarray:
    if bundle.manifest.task.name != ALIGNED:
        raise RecipeError(
            f"The bundle {bundle.path} is of {bundle.manifest.task.name}; pictures and texts in one space are of "
            f"{ALIGNED}.",
            f"Tune one: tunesmith tune PAIRS.csv task={ALIGNED}",
        )
    return np.array([one[key] for one in bundle.predict(list(rows))], dtype=np.float64)

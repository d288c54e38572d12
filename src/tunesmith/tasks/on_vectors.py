"""A task seen by a head on a frozen backbone: the same, but its features carry vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Row


def on_vectors(task: Any, vectors_of: Callable[[Sequence[Feature]], np.ndarray]) -> Any:
    """A view of ``task`` whose batches are vectors; everything else, state included, is the task's own.

    Args:
        vectors_of: features -> [features, width].
    """

    class OnVectors(type(task)):  # type: ignore[misc]
        """The view."""

        def encode(self, rows: Sequence[Row], processor: Any, *, max_length: int, targets: bool) -> list[Feature]:
            features: list[Feature] = super().encode(rows, processor, max_length=max_length, targets=targets)
            for feature, vector in zip(features, vectors_of(features), strict=True):
                feature["vector"] = vector
            return features

        def collate(self, features: Sequence[Feature], processor: Any) -> Batch:
            batch: Batch = {"vectors": np.stack([feature["vector"] for feature in features])}
            if features and "target" in features[0]:
                batch["labels"] = np.asarray([feature["target"] for feature in features])
            return batch

    view = object.__new__(OnVectors)
    view.__dict__ = task.__dict__
    return view

"""A multimodal task seen by its end alone: the same, but its features carry the states of frozen encoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Row

StatesOf = Callable[[Sequence[Feature]], Mapping[str, Sequence[np.ndarray]]]
"""Features -> modality -> each one's states [1 + parts, width]; 0 where it lacks the modality."""


def on_states(task: Any, states_of: StatesOf) -> Any:
    """A view of ``task`` whose batches are states; everything else, ``state`` included, is the task's own."""

    class OnStates(type(task)):  # type: ignore[misc]
        """The view."""

        def encode(self, rows: Sequence[Row], processor: Any, *, max_length: int, targets: bool) -> list[Feature]:
            features: list[Feature] = super().encode(rows, processor, max_length=max_length, targets=targets)
            for modality, states in states_of(features).items():
                for feature, one in zip(features, states, strict=True):
                    feature[f"state_{modality}"] = one
            for feature in features:
                feature.pop("frames", None)  # states weigh the same, however long the sound was
            return features

        def collate(self, features: Sequence[Feature], processor: Any) -> Batch:
            batch: Batch = self.beside(features)
            if (table := batch.pop("table_values", None)) is not None:
                batch["state_table"] = table[:, None]
            for name in self.modalities:
                if name != "table":
                    batch[f"state_{name}"] = np.stack([feature[f"state_{name}"] for feature in features])
            return batch

    view = object.__new__(OnStates)
    view.__dict__ = task.__dict__
    return view

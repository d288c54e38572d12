"""A frozen backbone computes each text once: the head is trained and measured on kept vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Feature, Task
from tunesmith.models.cache import cache_folder
from tunesmith.models.features import vectors
from tunesmith.models.heads import mean
from tunesmith.models.heads.vectors import head_on_vectors
from tunesmith.pipeline.frozen_media import on_frozen_encoders

if TYPE_CHECKING:
    import numpy as np

    from tunesmith.pipeline.plan import Plan


Progress = Callable[[int, int], None]
"""Called with features done and features in all."""


def on_frozen_backbone(plan: Plan, model: Any, processor: Any, progress: Progress | None = None) -> tuple[Task, Any]:
    """The task seen on vectors, and the head that reads them; the plain pair where the head reads all tokens.

    Vectors are computed in fp32, as the bundle will: they serve training, proof and every later run on these texts.
    """
    if hasattr(model, "joined"):
        return on_frozen_encoders(plan, model, processor, progress)
    head = head_on_vectors(model)
    if head is None:
        return plan.task, model
    from tunesmith.tasks.on_vectors import on_vectors

    pooling = "mean" if mean.has_mean(model) else "cls"
    name = f"{plan.reference.content_hash}|{pooling}|{plan.max_length}"

    def vectors_of(features: Sequence[Feature]) -> np.ndarray:
        with mean.shortened(model):
            return vectors(
                model,
                features,
                lambda chosen: plan.task.collate(chosen, processor),
                folder=plan.features or cache_folder("features"),
                model_hash=name,
                device=plan.machine.device,
                progress=progress,
            )

    return on_vectors(plan.task, vectors_of), head

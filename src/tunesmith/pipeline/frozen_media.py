"""Frozen encoders of several modalities compute each content once: the head is trained and measured on kept states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Feature, Task
from tunesmith.data.media.limits import MediaProblem
from tunesmith.models.cache import cache_folder
from tunesmith.models.encoders.kept import Shelf, shelf, states_of
from tunesmith.models.encoders.kept_texts import text_states
from tunesmith.models.folder import read_json
from tunesmith.models.media_kinds import MultimodalConfig
from tunesmith.tasks.media_batches import unusable, values_of

if TYPE_CHECKING:
    from tunesmith.pipeline.plan import Plan

Progress = Callable[[int, int], None]
"""Called with features done and features in all."""


def on_frozen_encoders(plan: Plan, model: Any, processor: Any, progress: Progress | None = None) -> tuple[Task, Any]:
    """The task seen on states, and the model's end that reads them.

    States are computed in fp32, as the bundle will, and kept by what they were computed from: the file's content, the
    weights, the pooling, how many parts.
    """
    from tunesmith.models.joined import OnStates
    from tunesmith.tasks.on_states import on_states

    folder = plan.features or cache_folder("features")
    device = plan.machine.device
    known: dict[str, np.ndarray] = {}

    def of(features: Sequence[Feature]) -> Mapping[str, Sequence[np.ndarray]]:
        found: dict[str, Sequence[np.ndarray]] = {}
        for name, encoder in model.encoders.items():
            pooling = getattr(encoder, "pooling", "")
            kept = shelf(folder, f"{name}|{content_of(plan, name)}|{pooling}|{model.parts}|fp32|5")
            if name == "text":
                pad = int(processor.pad_token_id or 0)
                found[name] = text_states(encoder, features, kept, parts=model.parts, pad=pad, device=device)
            else:
                found[name] = _of_files(encoder, features, name, kept, model.parts, device, progress, known)
        return found

    return on_states(plan.task, of), OnStates(model)


def content_of(plan: Plan, modality: str) -> str:
    """What tells the weights of a modality's encoder, as they are when the run begins.

    A bundle that is started from brings all of its encoders, and may have tuned them.
    """
    if read_json(Path(plan.reference.path) / "config.json").get("model_type") == MultimodalConfig.model_type:
        return str(plan.reference.content_hash)
    described = plan.task.state.get("encoders", {}).get(modality)
    return str(described["content_hash"] if described else plan.reference.content_hash)


def _of_files(
    encoder: Any,
    features: Sequence[Feature],
    modality: str,
    kept: Shelf,
    parts: int,
    device: str,
    progress: Progress | None,
    known: dict[str, np.ndarray],
) -> list[np.ndarray]:
    there, values = values_of(features, modality)
    missing = np.zeros((1 + parts, encoder.width), dtype=np.float32)
    found = [missing] * len(features)
    fresh = list(dict.fromkeys(value for value in values if value not in known))
    first = {value: i for i, value in reversed(list(zip(there, values, strict=True)))}
    for value, states in zip(
        fresh, states_of(encoder, fresh, kept, parts=parts, device=device, progress=progress), strict=True
    ):
        if isinstance(states, MediaProblem):
            raise unusable(features[first[value]], states)
        known[value] = states
    for i, value in zip(there, values, strict=True):
        found[i] = known[value]
    return found

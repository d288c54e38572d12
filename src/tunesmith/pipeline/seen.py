"""Rows as a bundle sees them, for choosing among them: what it decides, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Feature, Prediction, Task
from tunesmith.core.errors import RecipeError
from tunesmith.models.cache import cache_folder
from tunesmith.models.features import backbone_of
from tunesmith.models.features import vectors as features_vectors

if TYPE_CHECKING:
    from tunesmith.bundle.predictor import Predictor

TAGGED = ("token-classification", "semantic-roles")
"""Tasks with a decision a token."""
APART = ("multiple-choice",)
"""Tasks whose feature is several sequences, so that a row has no one vector."""


def decisions(
    task: Task, features: Sequence[Feature], arrays: Sequence[np.ndarray], predictions: Sequence[Prediction]
) -> list[np.ndarray]:
    """A row's distributions, [decisions, classes] each.

    One of a text's classes; one of yes and no for each of several labels; one of the tags for each token; where a task
    gives a score and nothing else, one of this answer and any other.

    Raises:
        RecipeError: the task decides nothing: it gives a number or a vector.
    """
    if task.name in TAGGED:
        return _of_tokens(task, features, arrays)
    if not predictions or not {"score", "scores"} & set(predictions[0]):
        raise RecipeError(
            f"{task.name} gives no probabilities to be unsure of.", "Choose by how texts lie: --by diversity"
        )
    return [_of_answer(prediction) for prediction in predictions]


def vectors(
    task: Task, predictor: Predictor, features: Sequence[Feature], predictions: Sequence[Prediction], weights: str
) -> np.ndarray:
    """What the bundle's backbone makes of each row, float32 [rows, width]: the mean of its windows, of length 1.

    Args:
        weights: a hash of the bundle's weights, by which vectors are kept.

    Raises:
        RecipeError: a row of this task has no one vector, or the runtime shows none.
    """
    if predictions and predictions[0].get("vector") is not None:
        return np.asarray([prediction["vector"] for prediction in predictions], dtype=np.float32)
    refuse_vectors(task, predictor)
    model: Any = predictor.runtime.model  # type: ignore[attr-defined]
    kind = "bundle" if backbone_of(model)[1] else "bundle mean"
    made = features_vectors(
        model,
        features,
        lambda chosen: _inputs(task, chosen, predictor.processor),
        folder=cache_folder("features"),
        model_hash=f"{kind} {weights}",
        device=str(next(model.parameters()).device),
    )
    rows = [feature["row"] for feature in features]
    sums = np.stack([made[list(places)].mean(axis=0) for _, places in groupby(range(len(rows)), key=rows.__getitem__)])
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9))


def refuse_vectors(task: Task, predictor: Predictor) -> None:
    """Raise ``RecipeError`` where a row of this task has no one vector, or the runtime shows none."""
    if task.name in APART or getattr(predictor.runtime, "model", None) is None:
        raise RecipeError(f"A row of {task.name} has no one vector.", "Choose by what is unsure: --by margin")


def _inputs(task: Task, features: Sequence[Feature], processor: Any) -> dict[str, Any]:
    batch = task.collate(features, processor)
    return {key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids") if key in batch}


def _of_answer(prediction: Prediction) -> np.ndarray:
    scores = prediction.get("scores")
    if scores is None:
        return _yes_or_no(np.array([prediction["score"]]))
    values = np.array(list(scores.values() if isinstance(scores, dict) else scores), dtype=np.float64)
    return _yes_or_no(values) if "labels" in prediction else values[None]


def _yes_or_no(p: np.ndarray) -> np.ndarray:
    return np.stack([p, 1 - p], axis=-1)


def _of_tokens(task: Any, features: Sequence[Feature], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Of nested spans, each label has tags of its own."""
    layers = len(task.labels) if task.state.get("nested") else 1
    found: dict[int, list[np.ndarray]] = {}
    for feature, logits in zip(features, arrays, strict=True):
        own = logits[: len(feature["input_ids"])].reshape(-1, logits.shape[-1] // layers)
        shifted = np.exp(own - own.max(axis=-1, keepdims=True))
        found.setdefault(feature["row"], []).append(shifted / shifted.sum(axis=-1, keepdims=True))
    return [np.concatenate(found[row]) for row in sorted(found)]

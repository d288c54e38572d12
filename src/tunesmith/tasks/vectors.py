"""Tokens to one vector a text, and texts of like lengths computed together; in torch to learn, in NumPy to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch

WORTH = 2048
"""Padded tokens that a further call of the model must save; on a CPU, a call costs about as much as these."""


def pooled(states: Any, mask: Any, pooling: str) -> Any:
    """[texts, length, width] -> float32 [texts, width]; tensors or arrays.

    Args:
        states: of the tokens.
        mask: [texts, length], 1 where a token stands.
        pooling: "mean" of the tokens, or "cls", the first one.
    """
    states = _float32(states)
    if pooling == "cls":
        return states[:, 0]
    weights = _float32(mask[..., None])
    return (states * weights).sum(1) / weights.sum(1).clip(min=1)


def _float32(values: Any) -> Any:
    return values.astype(np.float32) if isinstance(values, np.ndarray) else values.float()


def unit(vectors: np.ndarray) -> np.ndarray:
    """[..., width], each of length 1: what ``torch.nn.functional.normalize`` gives."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: np.ndarray = vectors / np.maximum(lengths, 1e-12)
    return scaled


def groups(lengths: list[int], worth: int = WORTH) -> list[list[int]]:
    """Indices of texts to be computed together, the longest first: cut where that saves ``worth`` padded tokens.

    >>> groups([9, 100, 8, 98], worth=100)
    [[1, 3], [0, 2]]
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    found: list[list[int]] = []
    for done, index in enumerate(order):
        if not found or (lengths[found[-1][0]] - lengths[index]) * (len(order) - done) >= worth:
            found.append([])
        found[-1].append(index)
    return found


def by_length(batch: Batch) -> Iterator[tuple[list[int], Batch]]:
    """Parts of a padded batch, each as wide as its longest text, with the indices of its texts."""
    lengths = batch["attention_mask"].sum(1).tolist()
    for group in groups(lengths):
        width = max(1, lengths[group[0]])
        yield group, {key: value[group, :width] for key, value in batch.items() if key != "labels"}


def text_vectors(states_of: Callable[[Batch], Any], batch: Batch, pooling: str) -> Any:
    """The texts' vectors, float32 [texts, width], short texts not padded to the length of long ones.

    Args:
        states_of: a part of the batch -> its tokens' states [texts, length, width].
        batch: tensors, or arrays.
        pooling: see ``pooled``.
    """
    order: list[int] = []
    found = []
    for index, part in by_length(batch):
        found.append(pooled(states_of(part), part["attention_mask"], pooling))
        order += index
    return _joined(found)[np.argsort(order).tolist()]


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    import torch

    return torch.cat(parts)

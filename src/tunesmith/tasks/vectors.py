"""Tokens to one vector a text, and texts of like lengths computed together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Batch

if TYPE_CHECKING:
    import torch

WORTH = 2048
"""Padded tokens that a further call of the model must save; on a CPU, a call costs about as much as these."""


def pooled(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """[texts, length, width] -> float32 [texts, width].

    Args:
        mask: [texts, length], 1 where a token stands.
        pooling: "mean" of the tokens, or "cls", the first one.
    """
    states = states.float()
    if pooling == "cls":
        return states[:, 0]
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


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


def by_length(batch: Batch) -> Iterator[tuple[Any, Batch]]:
    """Parts of a padded batch, each as wide as its longest text, with the indices of its texts (int64 tensor)."""
    import torch

    lengths = batch["attention_mask"].sum(1).tolist()
    for group in groups(lengths):
        index = torch.tensor(group, device=batch["attention_mask"].device)
        width = max(1, lengths[group[0]])
        yield index, {key: value[index, :width] for key, value in batch.items() if key != "labels"}

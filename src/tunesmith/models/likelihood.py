"""How likely a model finds given tokens, without holding all logits of a batch at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch


def label_log_probabilities(model: Any, batch: Mapping[str, Any]) -> list[np.ndarray]:
    """The natural log-probability of each row's ``labels`` that are not -100: float32, [labels].

    Args:
        batch: with ``labels`` [rows, length]. An encoder-decoder's logit at a place is of the label there; a causal
            model's is of the next one.
    """
    labels = batch["labels"]
    logits = model(**{key: value for key, value in batch.items() if key != "labels"}).logits
    if not model.config.is_encoder_decoder:
        logits, labels = logits[:, :-1], labels[:, 1:]
    found = []
    for row, wanted in zip(logits, labels, strict=True):
        places = wanted != -100
        found.append(picked(row[places], wanted[places]).cpu().numpy())
    return found


def picked(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """``log_softmax`` [n, vocabulary] at ``tokens`` [n], computed in float32 and never held whole: [n]."""
    import torch

    logits = logits.float()
    taken = logits.gather(-1, tokens[:, None].long())[:, 0]
    return taken - torch.logsumexp(logits, dim=-1)

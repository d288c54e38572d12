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
    import torch

    found, counts = log_probabilities(model, batch)
    return [part.cpu().numpy() for part in torch.split(found.detach(), counts)]


def log_probabilities(model: Any, batch: Mapping[str, Any]) -> tuple[torch.Tensor, list[int]]:
    """The same of all rows behind one another, float32 [labels of all rows], with a gradient; and each row's count.

    Args:
        batch: as for ``label_log_probabilities``; other names than ``labels`` are the model's arguments.
    """
    import torch

    from tunesmith.models.picked import only_at, picked

    labels = batch["labels"]
    inputs = {key: value for key, value in batch.items() if key != "labels"}
    if getattr(model, "module", model).config.is_encoder_decoder:
        places = labels != -100
        logits = model(**inputs).logits[places]
    else:
        labels = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=-100)
        places = labels != -100
        with only_at(model, places):
            logits = model(**inputs).logits[0]
    return picked(logits, labels[places]), places.sum(-1).tolist()


def row_sums(found: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """The log-probability of each row's target as a whole: [rows].

    Args:
        found: what ``log_probabilities`` gave, with ``counts``.
    """
    import torch

    rows = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(found.device)
    return found.new_zeros(len(counts)).index_add(0, rows, found)

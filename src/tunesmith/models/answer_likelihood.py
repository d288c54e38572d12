"""Log-probabilities of answers, to learn from: of each token, and of an answer as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunesmith.models.likelihood import IGNORED, answers, plain_head

if TYPE_CHECKING:
    import torch


def log_probabilities(model: Any, batch: Mapping[str, Any]) -> tuple[torch.Tensor, list[int]]:
    """The natural log-probability of the ``labels`` of all rows that are not -100, and how many each row has.

    Args:
        batch: with ``labels`` [rows, length]; the rest is the model's arguments. An encoder-decoder's logit at a place
            is of the label there; a causal model's is of the next one.

    Returns:
        float32 [labels], those of a row beside each other, with a gradient.
    """
    import torch

    from tunesmith.models.picked import only_at, picked

    labels = batch["labels"]
    if not getattr(model, "module", model).config.is_encoder_decoder:
        batch = {**batch, "use_cache": False}
        labels = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED)
    places = labels != IGNORED
    counts: list[int] = places.sum(-1).tolist()
    if plain_head(model) is not None:
        found = answers(model, batch)
        return picked(found.states, found.head.weight, found.head.bias, found.tokens, found.precision), counts
    with only_at(model, places):
        logits = model(**{key: value for key, value in batch.items() if key != "labels"}).logits[0]
    wanted = labels[places].long()
    return torch.log_softmax(logits.float(), -1).gather(-1, wanted[:, None])[:, 0], counts


def row_sums(found: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """The log-probability of each row's labels as a whole: [rows].

    Args:
        found: what ``log_probabilities`` gave, with ``counts``.
    """
    import torch

    rows = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)).to(found.device)
    return found.new_zeros(len(counts)).index_add(0, rows, found)

"""Several answers to one prompt in one row, which the model reads once.

The prompt stands first; each answer follows with the prompt's last token in front, and sees the prompt and itself.
Short answers to a long prompt take a fraction of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Batch
from tunesmith.training.strategies.answers import IGNORED, Answer, batch_of, device_of, padding_of
from tunesmith.training.strategies.drift import at_rest

if TYPE_CHECKING:
    import torch

KINDS = frozenset({"llama", "qwen2", "qwen3", "olmo2"})
"""Types of models whose layers all see whatever the mask lets them, by positions that are told."""
APART = 0.05
"""Nats a token that rounding may make of it, the mean."""
SAVED = 0.6
"""Prompts are shared where this share of the tokens, or less, is left."""
LONGEST = 1024
"""Tokens of a row beyond which the mask, which grows with their square, costs more than is saved."""


def groups_of(answers: Sequence[Answer]) -> list[list[Answer]]:
    """Answers beside each other that have the same prompt."""
    return [list(group) for _, group in groupby(answers, key=lambda answer: answer.prompt.tobytes())]


def worth(answers: Sequence[Answer]) -> bool:
    """Whether sharing prompts is less work."""
    groups = groups_of(answers)
    shared = [_length(group) for group in groups]
    apart = len(answers) * max(map(len, answers))
    return max(shared) <= LONGEST and len(groups) * max(shared) <= SAVED * apart


def shared_batch(answers: Sequence[Answer], padding: int, device: Any = None) -> Batch:
    """A row a prompt: ``input_ids``, ``labels``, ``position_ids``, and a mask, bool [rows, 1, length, length].

    Args:
        answers: those to a prompt beside each other; the labels stand in their order.
    """
    from tunesmith.models.tensors import tensors

    groups = groups_of(answers)
    longest = max(map(_length, groups))
    ids = np.full((len(groups), longest), padding, np.int64)
    labels, places = np.full_like(ids, IGNORED), np.zeros_like(ids)
    owner = np.full_like(ids, -1)  # 0: of the prompt; from 1: of an answer; padding sees itself alone
    for i, group in enumerate(groups):
        prompt = group[0].prompt
        end = len(prompt) - 1
        ids[i, :end], places[i, :end], owner[i, :end] = prompt[:end], np.arange(end), 0
        for number, answer in enumerate(group, 1):
            some = slice(end, end + 1 + len(answer.written))
            ids[i, some] = np.r_[prompt[-1:], answer.written]
            labels[i, end + 1 : some.stop] = answer.written
            places[i, some] = np.arange(len(prompt) - 1, len(answer))
            owner[i, some] = number
            end = some.stop
    seen = (owner[:, :, None] == owner[:, None, :]) | ((owner[:, None, :] == 0) & (owner[:, :, None] > 0))
    mask = (seen & np.tril(np.ones((longest, longest), dtype=bool)))[:, None]
    arrays = {"input_ids": ids, "labels": labels, "position_ids": places, "attention_mask": mask}
    return tensors(arrays, device)


def _length(group: Sequence[Answer]) -> int:
    return len(group[0].prompt) - 1 + sum(1 + len(answer.written) for answer in group)


def can_share(run: Any, answers: Sequence[Answer]) -> bool:
    """Whether the run's model finds answers behind one prompt as likely as each behind its own; tried, once."""
    plain = getattr(run.model, "module", run.model)
    if plain.config.model_type not in KINDS:
        return False
    some = groups_of(answers)[0]
    with at_rest(run):
        apart, shared = (found_of(run, run.model, some, share=share) for share in (False, True))
    return float((apart - shared).abs().mean()) < APART


def found_of(run: Any, model: Any, answers: Sequence[Answer], *, share: bool) -> torch.Tensor:
    """Log-probabilities of the answers' tokens, behind one another: fp32 [tokens].

    Args:
        share: read each prompt once, where that is less work.
    """
    from tunesmith.models.answer_likelihood import log_probabilities

    make = shared_batch if share and worth(answers) else batch_of
    return log_probabilities(model, make(answers, padding_of(run), device_of(run)))[0]

"""Which token comes next: pure functions of a text's logits, in the order in which transformers applies them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import torch

from tunesmith.core.contracts import Decoding

NEVER = -torch.inf
NUCLEUS = 256
"""Tokens that are looked at first for ``top_p``: nearly always it is among them, and sorting all takes long."""


def plain(decoding: Decoding, written: int) -> bool:
    """Whether the likeliest token is taken as it stands."""
    return decoding.temperature == 0 and not _changes(decoding, written)


def chosen(
    logits: torch.Tensor,
    decoding: Decoding,
    prompt: Sequence[int],
    written: Sequence[int],
    ends: Collection[int],
    draw: float,
) -> int:
    """The next token.

    Args:
        logits: [vocabulary].
        decoding: what is asked for; beams and stop strings are not read.
        prompt: ids that were given.
        written: ids that were written after them.
        ends: tokens that end a text.
        draw: uniform in [0, 1): which token it is, where one is drawn.
    """
    logits = logits.float()
    if _changes(decoding, len(written)):
        logits = changed(logits.clone(), decoding, prompt, written, ends)
    if decoding.temperature == 0:
        return int(logits.argmax())
    return drawn(probabilities(logits, decoding), draw)


def changed(
    logits: torch.Tensor, decoding: Decoding, prompt: Sequence[int], written: Sequence[int], ends: Collection[int]
) -> torch.Tensor:
    """Penalties and bans, in place."""
    both = [*prompt, *written]
    if decoding.repetition_penalty != 1:
        repeated(logits, set(both), decoding.repetition_penalty)
    if written and (decoding.presence_penalty or decoding.frequency_penalty):
        present(logits, written, decoding.presence_penalty, decoding.frequency_penalty)
    if decoding.no_repeat_ngram:
        logits[banned(both, decoding.no_repeat_ngram)] = NEVER
    if len(written) < decoding.min_new_tokens:
        logits[list(ends)] = NEVER
    return logits


def repeated(logits: torch.Tensor, seen: Collection[int], penalty: float) -> torch.Tensor:
    """Logits of tokens that were seen, divided by a penalty, or multiplied where negative (Keskar et al. 2019, 4.1)."""
    places = torch.tensor(list(seen), device=logits.device)
    old = logits[places]
    logits[places] = torch.where(old < 0, old * penalty, old / penalty)
    return logits


def present(logits: torch.Tensor, written: Sequence[int], presence: float, frequency: float) -> torch.Tensor:
    """Logits less a penalty for what was written at all, and one for each time, as OpenAI's API has them."""
    counts = Counter(written)
    places = torch.tensor(list(counts), device=logits.device)
    times = torch.tensor(list(counts.values()), dtype=logits.dtype, device=logits.device)
    logits[places] -= presence + frequency * times
    return logits


def banned(ids: Sequence[int], size: int) -> list[int]:
    """Tokens that would write an n-gram of this size a second time.

    >>> banned([5, 6, 7, 5, 6], 3)
    [7]
    """
    last = tuple(ids[len(ids) - size + 1 :]) if size > 1 else ()
    if len(ids) + 1 < size:
        return []
    return [ids[i + size - 1] for i in range(len(ids) - size + 1) if tuple(ids[i : i + size - 1]) == last]


def probabilities(logits: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """What is drawn from: [vocabulary], 0 for tokens outside of ``top_k`` and ``top_p``; its sum is at most 1."""
    found = torch.softmax(logits / decoding.temperature, dim=-1)
    if decoding.top_k and decoding.top_k < len(found):
        found = torch.where(found < found.topk(decoding.top_k).values[-1], 0.0, found)
    if decoding.top_p < 1:
        found = torch.where(found < _least(found, decoding.top_p * found.sum()), 0.0, found)
    return found


def drawn(probable: torch.Tensor, draw: float) -> int:
    """The token whose share of the line from 0 to 1 holds ``draw``.

    The line is in the order of the vocabulary, not of likelihood: where two tokens are almost equally likely, the last
    bits of their logits, which depend on what else is in the batch, then move its parts a little, and swap none.
    """
    line = probable.double().cumsum(0)
    found = int(torch.searchsorted(line, draw * line[-1], right=True))
    return found if found < len(line) else int(probable.nonzero()[-1])


def _least(probable: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
    """The least likely of the smallest set of tokens that has this mass."""
    best = probable.topk(min(NUCLEUS, len(probable))).values
    if best.sum() < mass:
        best = probable.sort(descending=True).values
    inside = int((best.cumsum(0) < mass).sum())
    return best[min(inside, len(best) - 1)]


def _changes(decoding: Decoding, written: int) -> bool:
    penalties = (decoding.presence_penalty, decoding.frequency_penalty, decoding.no_repeat_ngram)
    return any(penalties) or decoding.repetition_penalty != 1 or written < decoding.min_new_tokens

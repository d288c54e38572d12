"""Which token comes next: pure functions of a text's logits, in the order in which transformers applies them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from tunesmith.core.contracts import Decoding

NEVER = -np.inf
NUCLEUS = 256
"""Tokens that are looked at first for ``top_p``: nearly always it is among them, and sorting all takes long."""


def plain(decoding: Decoding, written: int) -> bool:
    """Whether the likeliest token is taken as it stands."""
    return decoding.temperature == 0 and not _changes(decoding, written)


def chosen(
    logits: np.ndarray,
    decoding: Decoding,
    prompt: Sequence[int],
    written: Sequence[int],
    ends: Collection[int],
    draw: float,
) -> int:
    """The next token.

    Args:
        logits: float32 [vocabulary].
        decoding: what is asked for; beams and stop strings are not read.
        prompt: ids that were given.
        written: ids that were written after them.
        ends: tokens that end a text.
        draw: uniform in [0, 1): which token it is, where one is drawn.
    """
    if _changes(decoding, len(written)):
        logits = changed(logits.copy(), decoding, prompt, written, ends)
    if decoding.temperature == 0:
        return int(logits.argmax())
    return drawn(probabilities(logits, decoding), draw)


def changed(
    logits: np.ndarray, decoding: Decoding, prompt: Sequence[int], written: Sequence[int], ends: Collection[int]
) -> np.ndarray:
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


def repeated(logits: np.ndarray, seen: Collection[int], penalty: float) -> np.ndarray:
    """Logits of tokens that were seen, divided by a penalty, or multiplied where negative (Keskar et al. 2019, 4.1)."""
    places = np.fromiter(seen, dtype=np.int64, count=len(seen))
    old = logits[places]
    logits[places] = np.where(old < 0, old * penalty, old / penalty)
    return logits


def present(logits: np.ndarray, written: Sequence[int], presence: float, frequency: float) -> np.ndarray:
    """Logits less a penalty for what was written at all, and one for each time, as OpenAI's API has them."""
    counts = Counter(written)
    places = np.fromiter(counts, dtype=np.int64, count=len(counts))
    times = np.fromiter(counts.values(), dtype=logits.dtype, count=len(counts))
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


def probabilities(logits: np.ndarray, decoding: Decoding) -> np.ndarray:
    """What is drawn from: [vocabulary], 0 for tokens outside of ``top_k`` and ``top_p``; its sum is at most 1."""
    scaled = logits / np.float32(decoding.temperature)
    found: np.ndarray = np.exp(scaled - scaled.max())
    found /= found.sum()
    if decoding.top_k and decoding.top_k < len(found):
        found = np.where(found < np.partition(found, -decoding.top_k)[-decoding.top_k], 0, found)
    if decoding.top_p < 1:
        found = np.where(found < _least(found, decoding.top_p * float(found.sum())), 0, found)
    return found


def drawn(probable: np.ndarray, draw: float) -> int:
    """The token whose share of the line from 0 to 1 holds ``draw``.

    The line is in the order of the vocabulary, not of likelihood: where two tokens are almost equally likely, the last
    bits of their logits, which depend on what else is in the batch, then move its parts a little, and swap none.
    """
    line = np.cumsum(probable, dtype=np.float64)
    found = int(np.searchsorted(line, draw * line[-1], side="right"))
    return found if found < len(line) else int(np.flatnonzero(probable)[-1])


def _least(probable: np.ndarray, mass: float) -> float:
    """The least likely of the smallest set of tokens that has this mass."""
    few = min(NUCLEUS, len(probable))
    best = np.partition(probable, -few)[-few:]
    if best.sum() < mass:
        best = probable
    best = np.sort(best)[::-1]
    inside = int((np.cumsum(best) < mass).sum())
    return float(best[min(inside, len(best) - 1)])


def _changes(decoding: Decoding, written: int) -> bool:
    penalties = (decoding.presence_penalty, decoding.frequency_penalty, decoding.no_repeat_ngram)
    return any(penalties) or decoding.repetition_penalty != 1 or written < decoding.min_new_tokens

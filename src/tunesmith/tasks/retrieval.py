"""Each text asks for its partner among all the partners: at which place does it come?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.contracts import Evidence, Prediction

TIE = 1e-6
"""Cosines nearer than this are equal: the same tokens in another batch differ by the noise of float32."""
SHOWN = 120
"""Characters of a text in the evidence."""
_BLOCK = 1024


@dataclass(frozen=True)
class Retrieved:
    """``rank`` [rows], from 1; ``best`` int [rows]: a row whose second text came first; ``confidence`` [rows]."""

    rank: np.ndarray
    best: np.ndarray
    confidence: np.ndarray


def retrieval_evidence(
    firsts: Sequence[str], seconds: Sequence[str], predictions: Sequence[Prediction], scale: float
) -> Evidence:
    """What metrics and reports read of predictions with ``vector`` and ``vector_pair``.

    Returns:
        ``rank`` float [rows], the place of a row's second text among all second texts; ``hit``: it is the first;
        ``confidence``: softmax of the cosines, as in training; ``true`` and ``predicted_as``: texts.
    """
    one, other = (_stacked([p[key] for p in predictions]) for key in ("vector", "vector_pair"))
    ranked = retrieved(firsts, seconds, one, other, scale)
    return {
        "rank": ranked.rank,
        "hit": ranked.rank == 1,
        "confidence": ranked.confidence,
        "true": np.array([text[:SHOWN] for text in seconds], dtype=object),
        "predicted_as": np.array([seconds[i][:SHOWN] for i in ranked.best], dtype=object),
    }


def retrieved(
    firsts: Sequence[str], seconds: Sequence[str], first_vectors: Any, second_vectors: Any, scale: float
) -> Retrieved:
    """Rank each row's second text among the different second texts of all rows.

    A text that stands in several rows counts once. Other second texts of an equal first text are right, too, and
    count neither for nor against. Among equal cosines a text takes the middle place, so that a model which gives
    all texts the same vector gains nothing.

    Args:
        firsts, seconds: the texts of each row.
        first_vectors, second_vectors: [rows, width], of length 1; dense or sparse.
        scale: cosines times this are the logits of ``confidence``.
    """
    rows_of_text: dict[str, int] = {}
    for row, text in enumerate(seconds):
        rows_of_text.setdefault(text, row)
    place = {text: i for i, text in enumerate(rows_of_text)}
    chosen = np.fromiter(rows_of_text.values(), dtype=np.int64)
    own = np.array([place[text] for text in seconds])
    right: dict[str, list[int]] = {}
    for text, candidate in zip(firsts, own, strict=True):
        right.setdefault(text, []).append(int(candidate))
    candidates = second_vectors[chosen].T
    parts = [
        _block(first_vectors[start : start + _BLOCK] @ candidates, own, right, firsts, start, scale)
        for start in range(0, len(firsts), _BLOCK)
    ]
    rank, best, confidence = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Retrieved(rank, chosen[best], confidence)


def _block(
    cosines: Any, own: np.ndarray, right: dict[str, list[int]], firsts: Sequence[str], start: int, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = np.asarray(cosines.toarray() if hasattr(cosines, "toarray") else cosines, dtype=np.float64)
    rows = np.arange(len(found))
    mine = own[start + rows]
    wanted = found[rows, mine].copy()
    for i in range(len(found)):
        found[i, right[firsts[start + i]]] = -np.inf
    found[rows, mine] = wanted
    others = found - wanted[:, None]
    tied = (np.abs(others) <= TIE).sum(axis=1) - 1
    rank = 1 + (others > TIE).sum(axis=1) + tied / 2
    best = np.where(rank == 1, mine, found.argmax(axis=1))
    logits = scale * (found - found.max(axis=1, keepdims=True))
    return rank, best, np.exp(logits[rows, best]) / np.exp(logits).sum(axis=1)


def _stacked(vectors: list[Any]) -> Any:
    """Lists as an array; rows of sparse matrices as one."""
    if isinstance(vectors[0], list):
        return np.asarray(vectors, dtype=np.float32)
    from scipy.sparse import vstack

    return vstack(vectors, format="csr")

"""Active learning: which rows to label next, by what a model is unsure of and by how the rows lie.

A row's *decisions* are distributions [decisions, classes]: one for a text's class, one for each label's yes or no, one
for each token's tag. Its uncertainty is the mean over them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


def least_confidence(p: Array) -> Array:
    """1 - the largest probability (Lewis & Gale 1994): [..., classes] -> [...], 0 to 1 - 1/classes."""
    return np.asarray(1 - p.max(axis=-1))


def margin(p: Array) -> Array:
    """1 - (largest - second largest probability) (Scheffer et al. 2001): [..., classes] -> [...], 0 to 1."""
    best = np.partition(p, -2, axis=-1)
    return np.asarray(1 - (best[..., -1] - best[..., -2]))


def entropy(p: Array) -> Array:
    """Shannon's, in nats (Shannon 1948): [..., classes] -> [...], 0 to log(classes)."""
    return np.asarray(-(p * np.log(np.maximum(p, 1e-12))).sum(axis=-1))


MEASURES: Mapping[str, Callable[[Array], Array]] = {
    "uncertainty": least_confidence,
    "margin": margin,
    "entropy": entropy,
}


def uncertainties(decisions: Sequence[Array], measure: str) -> Array:
    """The mean of a measure over each row's decisions: [rows]; 0 for a row without any.

    Args:
        decisions: a row's [decisions, classes] each.
        measure: a name in ``MEASURES``.
    """
    of = MEASURES[measure]
    return np.array([float(of(p).mean()) if len(p) else 0.0 for p in decisions])


def k_center(vectors: Array, count: int, known: Array | None = None) -> list[int]:
    """Rows that leave none far from a chosen one: greedy k-center (Sener & Savarese 2018, algorithm 1).

    Args:
        vectors: [rows, width].
        count: how many rows.
        known: [any, width], what is labelled already; without, the row nearest the mean begins.

    Returns:
        indices in the order in which they were chosen.
    """
    chosen: list[int] = []
    if known is not None and len(known):
        far = np.full(len(vectors), np.inf)
        for center in known:  # one at a time: all distances at once would be rows x known
            np.minimum(far, _squared(vectors, center), out=far)
    else:
        chosen = [int(_squared(vectors, vectors.mean(axis=0)).argmin())] if len(vectors) else []
        far = _squared(vectors, vectors[chosen[0]]) if chosen else np.zeros(0)
    while len(chosen) < min(count, len(vectors)):
        far[chosen] = -1.0
        chosen.append(int(far.argmax()))
        far = np.minimum(far, _squared(vectors, vectors[chosen[-1]]))
    return chosen[:count]


def badge(decisions: Sequence[Array], vectors: Array, count: int, seed: int = 13) -> list[int]:
    """Rows whose last-layer gradients are long and differ: BADGE (Ash et al. 2020, algorithm 1), by k-means++.

    A row's gradient is (p - answer) times its vector, outer; products of such are products of both factors, so that
    it is never written out.

    Args:
        decisions: [decisions, classes] each, of one shape.
        vectors: [rows, width].
        count: how many rows.
        seed: of k-means++.
    """
    errors = np.stack([(p - (p == p.max(axis=-1, keepdims=True))).ravel() for p in decisions])
    own = (errors**2).sum(1) * (vectors**2).sum(1)
    random = np.random.default_rng(seed)
    chosen = [int(own.argmax())]
    far = np.full(len(own), np.inf)
    while len(chosen) < min(count, len(own)):
        last = chosen[-1]
        alike = (errors @ errors[last]) * (vectors @ vectors[last])
        far = np.minimum(far, np.maximum(own + own[last] - 2 * alike, 0))
        far[chosen] = 0.0
        if not (total := far.sum()) > 0:
            rest = np.setdiff1d(np.arange(len(own)), chosen)
            return chosen + _listed(random.permutation(rest)[: count - len(chosen)])
        chosen.append(int(random.choice(len(own), p=far / total)))
    return chosen


@dataclass(frozen=True)
class Pool:
    """Rows that could be labelled, as a model sees them.

    Args:
        decisions: a row's [decisions, classes] each; None where they are not needed.
        vectors: [rows, width]; None where they are not needed.
        known: vectors of rows that are labelled, [any, width].
    """

    decisions: Sequence[Array] | None = None
    vectors: Array | None = None
    known: Array | None = None


WIDE = 10
"""``both`` spreads its choice over so many times the rows that are wanted: the most uncertain ones."""
CHOICES = (*MEASURES, "diversity", "both", "badge", "random")
NEED_DECISIONS = (*MEASURES, "both", "badge")
NEED_VECTORS = ("diversity", "both", "badge")


def choose(pool: Pool, by: str, count: int, seed: int = 13) -> list[int]:
    """Indices of the rows to label next, the first the most wanted.

    Args:
        pool: with what ``NEED_DECISIONS`` and ``NEED_VECTORS`` say that ``by`` needs.
        by: one of ``CHOICES``; "both": the most varied of the most uncertain by margin.
    """
    if by in MEASURES:
        assert pool.decisions is not None
        return _listed(np.argsort(-uncertainties(pool.decisions, by), kind="stable")[:count])
    if by == "random":
        size = len(pool.decisions if pool.decisions is not None else pool.vectors)  # type: ignore[arg-type]
        return _listed(np.random.default_rng(seed).permutation(size)[:count])
    assert pool.vectors is not None
    if by == "diversity":
        return k_center(pool.vectors, count, pool.known)
    assert pool.decisions is not None
    if by == "badge":
        return badge(pool.decisions, pool.vectors, count, seed)
    unsure = np.argsort(-uncertainties(pool.decisions, "margin"), kind="stable")[: count * WIDE]
    return _listed(unsure[k_center(pool.vectors[unsure], count, pool.known)])


def _squared(vectors: Array, center: Array) -> Array:
    return np.asarray(((vectors - center) ** 2).sum(axis=1))


def _listed(indices: Array) -> list[int]:
    return [int(i) for i in indices]

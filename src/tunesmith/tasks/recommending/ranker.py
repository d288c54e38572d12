"""Which item of a pool is taken: a conditional logit over signals (McFadden 1974), small, convex, and plain numbers.

The probability of an item is the softmax, over the pool, of a weighted sum of its signals. So a weight says what a
signal is worth, and each item's score can be told in parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tunesmith.core.extras import need

STRENGTH = 1.0
"""Of the prior that keeps weights near 0, in questions."""
FEWEST = 5
"""Questions whose answer is in its pool that are needed to fit anything."""


@dataclass(frozen=True)
class Ranker:
    """Weights over standardised signals.

    Args:
        names: of the signals.
        weights: [signals].
        middle: [signals], what is taken off.
        spread: [signals], what is then divided by.
    """

    names: tuple[str, ...]
    weights: np.ndarray
    middle: np.ndarray
    spread: np.ndarray

    def parts(self, signals: np.ndarray) -> np.ndarray:
        """[pool, signals]; their sum is an item's score."""
        found: np.ndarray = (signals - self.middle) / self.spread * self.weights
        return found

    def over(self, names: Sequence[str]) -> Ranker:
        """For signals of these names, in this order; one that it was not fitted on counts nothing."""
        at = {name: i for i, name in enumerate(self.names)}
        weights, middle, spread = np.zeros(len(names)), np.zeros(len(names)), np.ones(len(names))
        for i, name in enumerate(names):
            if (own := at.get(name)) is not None:
                weights[i], middle[i], spread[i] = self.weights[own], self.middle[own], self.spread[own]
        return Ranker(tuple(names), weights, middle, spread)

    def to_state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            name: {"weight": float(w), "middle": float(m), "spread": float(s)}
            for name, w, m, s in zip(self.names, self.weights, self.middle, self.spread, strict=True)
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Mapping[str, float]]) -> Ranker:
        """What ``to_state`` told."""
        columns = (np.array([one[key] for one in state.values()], np.float64) for key in ("weight", "middle", "spread"))
        return cls(tuple(state), *columns)


def towers_alone(names: Sequence[str]) -> Ranker:
    """Before anything could be fitted."""
    weights = np.array([float(name == "towers") for name in names])
    return Ranker(tuple(names), weights, np.zeros(len(names)), np.ones(len(names)))


def fitted(names: Sequence[str], pools: Sequence[np.ndarray], right: Sequence[int]) -> Ranker | None:
    """The ranker under which what was taken is likeliest; None where there are too few questions.

    Args:
        pools: of each question, the signals of its items, [pool, signals].
        right: the place in each pool of what was taken.
    """
    if len(pools) < FEWEST:
        return None
    need("scipy", extra="train", purpose="fitting the ranker")
    from scipy.optimize import minimize

    everything = np.concatenate(pools).astype(np.float64)
    middle, spread = everything.mean(0), everything.std(0)
    spread[spread < 1e-6] = 1.0
    longest = max(map(len, pools))
    stacked = np.zeros((len(pools), longest, len(names)))
    there = np.zeros((len(pools), longest), bool)
    for i, pool in enumerate(pools):
        stacked[i, : len(pool)] = (pool - middle) / spread
        there[i, : len(pool)] = True
    rows, places = np.arange(len(pools)), np.asarray(right)
    taken = stacked[rows, places]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = np.where(there, stacked @ weights, -np.inf)
        scores -= scores.max(1, keepdims=True)
        shares = np.exp(scores)
        totals = shares.sum(1, keepdims=True)
        value = float((np.log(totals[:, 0]) - scores[rows, places]).sum() + STRENGTH / 2 * weights @ weights)
        expected = np.einsum("rp,rps->s", shares / totals, stacked)
        return value, expected - taken.sum(0) + STRENGTH * weights

    found = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return Ranker(tuple(names), found.x, middle, spread)

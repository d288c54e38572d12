"""A list that is good and not all alike: maximal marginal relevance (Carbonell & Goldstein 1998)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunesmith.tasks.recommending.catalogue import apart


def varied(scores: np.ndarray, features: Sequence[frozenset[str]], count: int, diversity: float) -> list[int]:
    """Places of the ones that are chosen, in order.

    Args:
        scores: of the best ones, descending.
        features: what each is compared by.
        diversity: 0 keeps the order; 1 looks only at how unlike an item is to those above it.
    """
    if diversity <= 0 or len(scores) < 2:
        return list(range(min(count, len(scores))))
    spread = float(scores[0] - scores[-1]) or 1.0
    worth = (scores - scores[-1]) / spread
    alike = np.zeros(len(scores))
    chosen: list[int] = []
    while len(chosen) < min(count, len(scores)):
        value = (1 - diversity) * worth - diversity * alike
        value[chosen] = -np.inf
        best = int(value.argmax())
        chosen.append(best)
        alike = np.maximum(alike, [1 - apart(features[best], other) for other in features])
    return chosen

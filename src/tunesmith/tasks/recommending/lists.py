"""A pool as an answer: in the ranker's order, with what each place is owed to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tunesmith.core.contracts import Feature, Prediction
from tunesmith.tasks.recommending.ranker import Ranker
from tunesmith.tasks.recommending.rerank import varied
from tunesmith.tasks.recommending.signals import Known

REASONS = 2
"""Items of the history that are named."""
LOOKED_AT = 5
"""Times as many items as are answered are looked at for variety."""
PARTS = {
    "towers": "taste", "together": "together", "together_lately": "together", "after": "together", "popular": "popular",
    "popular_lately": "popular", "share_lately": "popular", "new": "popular", "cold": "popular",
    "segment": "people alike",
}  # fmt: skip
"""Signal -> the part of a score that it belongs to; a column is a part of its own."""
DIGITS = 6


@dataclass(frozen=True)
class Lists:
    """Makes answers.

    Args:
        top: items of each.
        diversity: see ``rerank``.
    """

    known: Known
    ranker: Ranker
    top: int
    diversity: float

    def answer(self, pool: np.ndarray, feature: Feature) -> Prediction:
        """One row's."""
        history = feature["question"].history
        catalogue = self.known.catalogue
        answer: Prediction = {"items": [], "history": len(history), "unknown": list(feature["unknown"])}
        if not len(pool):
            return answer
        parts = self.ranker.parts(self.known.signals(feature["question"], pool))
        scores = parts.sum(1)
        order = np.lexsort((pool[:, 0], -scores))
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        best = order[: self.top * (LOOKED_AT if self.diversity else 1)]
        codes = pool[:, 0].astype(np.int64)
        features = [catalogue.features(int(codes[i])) for i in best] if self.diversity else [frozenset()] * len(best)
        usual = parts.mean(0)
        chosen = [int(best[place]) for place in varied(scores[best], features, self.top, self.diversity)]
        near = self.known.together.between(history, codes[chosen]) + self.known.after.between(history, codes[chosen])
        for at, told in zip(chosen, near, strict=True):
            answer["items"].append(
                {
                    **catalogue.told(int(codes[at])),
                    "score": float(shares[at]),
                    "because": [catalogue.told(int(one)) for one in _because(told, history, int(pool[at, 2]))],
                    "parts": self._parts(parts[at] - usual),
                }
            )
        return answer

    def _parts(self, parts: np.ndarray) -> dict[str, float]:
        """What is owed to what, beside an average item of the pool."""
        found: dict[str, float] = {}
        for name, value in zip(self.ranker.names, parts, strict=True):
            part = PARTS.get(name, name)
            found[part] = found.get(part, 0.0) + float(value)
        return {name: round(value, DIGITS) for name, value in found.items() if abs(value) >= 10**-DIGITS}


def _because(near: np.ndarray, history: np.ndarray, looked_at: int) -> list[int]:
    """Items of the history that are taken with an item most; else the one that the towers look at.

    Args:
        near: [places], of the item to each of the history.
    """
    if not len(history):
        return []
    best = [i for i in np.argsort(-near, kind="stable")[: 2 * REASONS] if near[i] > 0]
    return list(dict.fromkeys(int(history[i]) for i in best))[:REASONS] or [int(history[looked_at])]

"""How much more in doubt a changed model is than the one that it was made of: the rise of perplexity, paired."""

from __future__ import annotations

import numpy as np

from tunesmith.core.contracts import Evidence
from tunesmith.evaluation.bootstrap import around, draw


def risen(
    before: Evidence, after: Evidence, *, resamples: int = 1000, confidence: float = 0.95, seed: int = 13
) -> dict[str, float]:
    """The perplexity after, over that before, less 1; rows are resampled in pairs.

    Two models that are as good as each other in the mean differ far less on a row than rows differ from each other, so
    that some hundred rows show a rise of some thousandths.

    Args:
        before: ``log_likelihood`` and ``target_tokens`` of rows.
        after: of the same rows.

    Returns:
        ``value``, ``low`` and ``high``; above 0 where the changed model is worse.

    >>> one = {"log_likelihood": np.array([-2.0, -4.0]), "target_tokens": np.array([2, 4])}
    >>> other = {**one, "log_likelihood": one["log_likelihood"] * 1.01}
    >>> round(risen(one, other)["value"], 4)
    0.0101
    """
    tokens = np.asarray(before["target_tokens"], dtype=np.float64)
    lost = np.asarray(before["log_likelihood"] - after["log_likelihood"], dtype=np.float64)
    if not tokens.sum():
        return {"value": float("nan"), "low": float("nan"), "high": float("nan")}
    drawn = []
    for counts in draw(len(tokens), resamples, seed):
        total = counts @ tokens
        drawn.append(np.expm1(np.divide(counts @ lost, total, out=np.full(len(total), np.nan), where=total > 0)))
    found = around(float(np.expm1(lost.sum() / tokens.sum())), np.concatenate(drawn), confidence)
    return found.to_json()

"""What a bundle that learns on is really trained on: new rows, and of the old ones those that are replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tunesmith.core.contracts import Row, Strategy


def class_counts(new: Sequence[Row], strategies: Sequence[Strategy]) -> dict[str, float]:
    """Rows of each class in an epoch; of replayed ones, which are drawn anew each time, as many as may be expected.

    Args:
        new: rows with a label each.
        strategies: those that protect rows by a ``share`` of what is trained on replay their ``rows``.
    """
    counts: dict[str, float] = dict(Counter(str(row["label"]) for row in new))
    for strategy in strategies:
        share, old = getattr(strategy, "share", 0.0), getattr(strategy, "rows", None)
        if not strategy.protects or not share or not old:
            continue
        drawn = len(new) * share / (1 - share)
        for label, rows in Counter(str(row["label"]) for row in old).items():
            counts[label] = counts.get(label, 0.0) + drawn * rows / len(old)
    return counts

"""How long several runtimes take for the same batches, in turns, so that a busy moment hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

Batch = TypeVar("Batch")
ROUNDS = 5
BUDGET = 4.0
"""Seconds for each runner; slow ones are asked fewer batches."""


def medians(
    runners: Mapping[str, Callable[[Batch], object]], batches: Sequence[Batch], budget: float | None = None
) -> dict[str, float]:
    """Seconds a batch: of each round the mean over batches, of the rounds the median.

    Args:
        runners: name -> computes a batch.
        batches: asked of all; at least one.
        budget: seconds for all of it; at least one round is run. None: BUDGET for each runner.
    """
    budget = BUDGET * len(runners) if budget is None else budget
    first = _timed(runners, batches[:1])
    first = _timed(runners, batches[:1])  # the first call of all warms up
    one = sum(first.values())
    count = max(1, min(len(batches), int(budget / ROUNDS / max(one, 1e-9))))
    rounds = [_timed(runners, batches[:count]) for _ in range(ROUNDS if one * ROUNDS < budget else 1)]
    return {name: float(np.median([found[name] for found in rounds])) for name in runners}


def _timed(runners: Mapping[str, Callable[[Batch], object]], batches: Sequence[Batch]) -> dict[str, float]:
    found = {}
    for name, run in runners.items():
        begun = time.perf_counter()
        for batch in batches:
            run(batch)
        found[name] = (time.perf_counter() - begun) / len(batches)
    return found

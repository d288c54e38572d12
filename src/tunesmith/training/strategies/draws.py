"""What strategies draw for a batch: the same in each pass over it, and in a run that was resumed."""

from __future__ import annotations

from typing import Any

import numpy as np


def of_batch(run: Any) -> np.random.Generator:
    """A generator that starts anew for each batch: from the run's seed, its step and the batch's first feature."""
    return np.random.default_rng([run.seed, run.step, *run.indices[:1]])

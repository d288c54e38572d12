"""One number that makes confidence true: all logits are divided by it (Guo et al. 2017, section 4.2)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.05, 20.0
STEPS = 60
GOLDEN = (math.sqrt(5) - 1) / 2


def softmax(logits: NDArray[Any], temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities over the last axis, any shape."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    shifted = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    found: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return found


def log_loss(logits: NDArray[Any], labels: NDArray[np.int64], temperature: float) -> float:
    """Mean negative log-probability of the true classes."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    top = scaled.max(axis=1)
    total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float((total - scaled[np.arange(len(labels)), labels]).mean())


def fit_temperature(logits: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """The temperature with the least log loss: a golden-section search over its logarithm, in which it is unimodal.

    Args:
        logits: [rows, classes].
        labels: [rows].

    >>> sure = np.array([[4.0, 0.0]] * 4)
    >>> round(fit_temperature(sure, np.array([0, 0, 0, 1])), 2)  # 3 of 4: logits should be ln 3 apart
    3.64
    """
    low, high = math.log(LOWEST), math.log(HIGHEST)
    for _ in range(STEPS):
        one, other = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if log_loss(logits, labels, math.exp(one)) <= log_loss(logits, labels, math.exp(other)):
            high = other
        else:
            low = one
    return math.exp((low + high) / 2)

"""What a row can lose at most: epsilon, as the accountant of ``opacus`` counts it (Mironov et al. 2019)."""

from __future__ import annotations

import math
import warnings
from typing import Any

from tunesmith.core.extras import need


def epsilon_of(noise: float, rate: float, draws: int, delta: float) -> float:
    """Epsilon of ``draws`` sums of clipped gradients, each of a Poisson sample and with Gaussian noise.

    Args:
        noise: the noise's standard deviation, in units of the clipping norm (sigma).
        rate: chance of a row to be drawn.
        draws: how many sums were given away.
        delta: chance with which more may be lost.
    """
    if not draws:
        return 0.0
    if noise == 0:
        return math.inf
    accountant = _accountants().RDPAccountant()
    accountant.history = [(noise, rate, draws)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a finer bound would need more orders
        return float(accountant.get_epsilon(delta=delta))


def noise_for(epsilon: float, rate: float, draws: int, delta: float) -> float:
    """The least noise with which ``draws`` sums lose no more than epsilon."""
    _accountants()
    from opacus.accountants.utils import get_noise_multiplier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = get_noise_multiplier(
            target_epsilon=epsilon, target_delta=delta, sample_rate=rate, steps=draws, accountant="rdp"
        )
    return float(found)


def _accountants() -> Any:
    return need("opacus.accountants", extra="privacy", purpose="the strategy dp_sgd")

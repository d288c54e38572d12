"""Rows as points: has their middle moved? All directions at once, so that many small moves add up.

The tests of single numbers each see a share of a move; where a domain changes a little in every direction, none of them
says so. Here the distance between the means of a window and of the baseline is measured in the baseline's own spread
(Mahalanobis 1936, Hotelling 1931). How large it becomes by chance is not assumed: windows are drawn from the baseline's
rows again and again, each held against a baseline that is drawn, too (Rabanser, Guenther and Lipton 2019 compare such
tests, "Failing Loudly"; that answers' scores tell of inputs is Lipton, Wang and Smola 2018).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.bundle.drift.compare import Difference, chi_squared_tail

Points = NDArray[np.float64]
"""[rows, dimensions]."""
EACH = 10
"""Rows that each direction needs, so that its spread is known."""
DRAWS = 200
SHORT, LONG = 50, 500
"""Rows of the windows that are drawn."""
LEAST = 1e-6
"""Share of the largest variance below which a direction has none."""


@dataclass(frozen=True)
class Cloud:
    """Where rows lie.

    Args:
        rows: that it was made of.
        mean: [dimensions].
        whitening: [directions, dimensions]: makes each direction's variance 1.
        chance: mean and variance of ``distance`` between windows and baselines that come from one source.
    """

    rows: int
    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]
    chance: tuple[float, float]

    def compare(self, points: Points) -> Difference:
        """How a window differs.

        The size is the share of two normal clouds so far apart that they do not have in common (their total
        variation), with what chance adds to the distance taken off.
        """
        found = self.distance(points)
        share = 1 / self.rows + 1 / len(points)
        apart = math.sqrt(max(0.0, found - self.chance[0]) * share)
        mean, variance = self.chance
        # A gamma distribution of this mean and variance is a chi-squared one on another scale (Satterthwaite 1946).
        scale, degrees = variance / (2 * mean), 2 * mean**2 / variance
        return Difference(math.erf(apart / math.sqrt(8)), chi_squared_tail(found / scale, degrees))

    def distance(self, points: Points) -> float:
        """Squared, between the means, in units of what two samples of these sizes differ by in each direction."""
        gap = self.whitening @ (points.mean(axis=0) - self.mean)
        return float(gap @ gap) / (1 / self.rows + 1 / len(points))

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        whitening = [[float(f"{value:.6g}") for value in row] for row in self.whitening.tolist()]
        mean = [round(value, 6) for value in self.mean.tolist()]
        return {"rows": self.rows, "mean": mean, "whitening": whitening, "chance": list(self.chance)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Cloud:
        """Take back what ``to_json`` gave."""
        mean, whitening = (np.asarray(values[name], dtype=np.float64) for name in ("mean", "whitening"))
        low, high = values["chance"]
        return cls(values["rows"], mean, whitening, (low, high))


def cloud_of(points: Points, seed: int = 13) -> Cloud | None:
    """Of a baseline's points; None where they do not differ."""
    plain = _fitted(points)
    if plain is None:
        return None
    draw, found = np.random.default_rng(seed), []
    for turn in range(DRAWS):
        drawn = points[draw.integers(0, len(points), len(points))]
        other = _fitted(drawn)
        if other is not None:
            window = points[draw.integers(0, len(points), LONG if turn % 2 else SHORT)]
            found.append(other.distance(window))
    return Cloud(plain.rows, plain.mean, plain.whitening, (float(np.mean(found)), max(1e-9, float(np.var(found)))))


def _fitted(points: Points) -> Cloud | None:
    mean = points.mean(axis=0)
    centred = points - mean
    variances, directions = np.linalg.eigh(centred.T @ centred / max(1, len(points) - 1))
    most = max(1, len(points) // EACH)
    kept = np.flatnonzero(variances > max(1e-12, LEAST * variances[-1]))[-most:]
    if not len(kept):
        return None
    whitening = (directions[:, kept] / np.sqrt(variances[kept])).T
    return Cloud(len(points), mean, whitening, (1.0, 1.0))

"""Which task a text is of, judged by a frozen backbone's vector of it: the nearest class of all tasks' classes.

Lee et al. 2018 (eq. 1 and 2) put a Gaussian around each class, all with one covariance, and measure the Mahalanobis
distance to the nearest. Here the nearest class's task gets the text. A task that joins later adds its classes' means
and its scatter: no row of the earlier ones is needed again.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

SHRINKAGE = 0.3
"""Share of the variances alone in the covariance that is used: there are often fewer rows than numbers in a vector."""


@dataclass(frozen=True)
class Seen:
    """What is kept of the vectors of some tasks.

    Args:
        means: of each class, [classes, width].
        counts: rows of each class, [classes].
        routes: the task of each class, int [classes].
        scatter: sum over rows of ``(x - mean)(x - mean)^T``, each row with its own class's mean, [width, width].
    """

    means: torch.Tensor
    counts: torch.Tensor
    routes: torch.Tensor
    scatter: torch.Tensor

    def tensors(self) -> dict[str, torch.Tensor]:
        """By name, as they are written to disk."""
        return {name: value.contiguous() for name, value in vars(self).items()}


def seen(vectors: torch.Tensor, classes: Sequence[Hashable], route: int) -> Seen:
    """Means and scatter of one task's rows.

    Args:
        vectors: [rows, width].
        classes: of each row; all the same where rows have no one class.
        route: the task's number.
    """
    x = vectors.double()
    names = list(dict.fromkeys(classes))
    own = torch.tensor([names.index(name) for name in classes])
    counts = torch.bincount(own, minlength=len(names)).double()
    means = torch.zeros(len(names), x.shape[1], dtype=x.dtype).index_add_(0, own, x) / counts[:, None]
    apart = x - means[own]
    return Seen(means, counts, torch.full((len(names),), route), apart.T @ apart)


def also(first: Seen, second: Seen) -> Seen:
    """What is kept of both."""
    means, counts, routes = (
        torch.cat([getattr(one, name) for one in (first, second)]) for name in ("means", "counts", "routes")
    )
    return Seen(means, counts, routes, first.scatter + second.scatter)


def whitening(scatter: torch.Tensor, rows: float, shrinkage: float = SHRINKAGE) -> torch.Tensor:
    """``W`` with ``|W^T (x - m)|^2 = (x - m)^T S^-1 (x - m)``, where S is the covariance, drawn towards its diagonal.

    Towards the diagonal, and not a round one: embeddings and hidden states are of different sizes.

    Args:
        scatter: [width, width].
        rows: of which it is the sum (N; eq. 1: ``S = scatter / N``).
        shrinkage: ``S <- (1 - shrinkage) S + shrinkage diag(S)``.
    """
    covariance = scatter.double() / rows
    variances = covariance.diagonal()
    least = (1e-6 * variances.mean()).clamp(min=1e-12)
    drawn = (1 - shrinkage) * covariance + torch.diag(shrinkage * variances + least)
    lower = torch.linalg.cholesky(drawn)
    unit = torch.eye(len(drawn), dtype=torch.float64)
    inverse: torch.Tensor = torch.linalg.solve_triangular(lower, unit, upper=False)
    return inverse.T


class Router(nn.Module):
    """Vectors [rows, width] -> the number of the nearest class's task, int [rows].

    Args:
        known: what is kept of all tasks' rows.
    """

    whiten: torch.Tensor
    prototypes: torch.Tensor
    routes: torch.Tensor

    def __init__(self, known: Seen) -> None:
        super().__init__()
        self.known = known
        whiten = whitening(known.scatter, float(known.counts.sum()))
        self.register_buffer("whiten", whiten, persistent=False)
        self.register_buffer("prototypes", known.means.double() @ whiten, persistent=False)
        self.register_buffer("routes", known.routes, persistent=False)

    def _apply(self, fn: Any, recurse: bool = True) -> Router:
        """It stays on the CPU and in float64, which a Mac's GPU has not."""
        return self

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Of each row (eq. 2: ``max_c -(x - m_c)^T S^-1 (x - m_c)``)."""
        places = vectors.cpu().double() @ self.whiten
        return self.routes[torch.cdist(places, self.prototypes).argmin(1)]

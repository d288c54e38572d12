"""Two domains whose vectors vary alike: Deep CORAL (Sun & Saenko 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.training.strategies.two_domains import TwoDomains

if TYPE_CHECKING:
    import torch


def covariance(vectors: torch.Tensor) -> torch.Tensor:
    """``(V^T V - (1^T V)^T (1^T V) / n) / (n - 1)`` (eq. 2 and 3): [width, width] of [n, width]."""
    plain = vectors - vectors.mean(0)
    found: torch.Tensor = plain.T @ plain / (len(vectors) - 1)
    return found


def coral(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """``||C_S - C_T||_F^2 / (4 d^2)`` (eq. 1): a scalar; zero where a side has one row, which varies in nothing.

    Args:
        source: [rows, d].
        target: [other rows, d].
    """
    if min(len(source), len(target)) < 2:
        return (source.sum() + target.sum()) * 0.0
    far: torch.Tensor = (covariance(source) - covariance(target)).square().sum()
    return far / (4 * source.shape[1] ** 2)


class Coral(TwoDomains):
    """``loss + weight * coral``, on the vectors that the output layer reads (section 3.2, with one layer).

    Of small batches, two covariances of one domain differ as much as those of two: take batches of 64 or more.

    Args:
        path: rows of the target domain, without labels.
        rows: instead of a file.
        columns: role -> column of the file; others are guessed.
        weight: lambda. The paper wants both losses alike large at the end; eq. 1 divides by the width squared, so that
            takes a large number. 1000 is an estimate and was not tuned.
        ratio: rows of the target for each training row.
    """

    name: ClassVar[str] = "coral"
    summary: ClassVar[str] = "texts of another domain vary as the training texts do (Sun & Saenko 2016)"

    def __init__(
        self,
        path: str = "",
        rows: list[dict[str, Any]] | None = None,
        columns: dict[str, str] | None = None,
        weight: Annotated[float, Field(ge=0)] = 1000.0,
        ratio: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__(path, rows, columns, weight, ratio)

    def apart(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Of both covariances."""
        return self.weight * coral(source, target)

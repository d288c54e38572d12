"""Noise on the embeddings: NEFTune (Jain et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.lookups import changed, real_tokens

if TYPE_CHECKING:
    import torch


def noise(vectors: torch.Tensor, there: torch.Tensor, alpha: float) -> torch.Tensor:
    """``alpha / sqrt(L d) * U(-1, 1)`` (algorithm 1): a text's noise has the same length whatever its own.

    Args:
        vectors: [batch, length, width].
        there: 1.0 where a token is; L counts these, and padding gets none. [batch, length, 1].
    """
    import torch

    elements = there.sum(1, keepdim=True).clamp(min=1) * vectors.shape[-1]
    drawn: torch.Tensor = (torch.rand_like(vectors) * 2 - 1) * there * alpha / elements.sqrt()
    return drawn


class NefTune(Strategy):
    """Uniform noise on what the embeddings give out, in training only.

    Args:
        alpha: the paper uses 5 to 15 for models of 4,096 dimensions; ours are smaller, and so are their embeddings.
    """

    name: ClassVar[str] = "neftune"
    summary: ClassVar[str] = "noise on the embeddings (Jain et al. 2024)"

    def __init__(self, alpha: Annotated[float, Field(gt=0)] = 1.0) -> None:
        self.alpha = alpha
        self._embedding: Any = None
        self._padding: int | None = None

    def fits(self, task: Task, method: Method) -> str | None:
        """Not on vectors that were computed before."""
        return needs.backbone(method)

    def start(self, run: Any) -> None:
        """Find the embeddings, and what padding is."""
        self._embedding = run.embedding()
        self._padding = getattr(run.processor, "pad_token_id", None)

    def loss(self, compute: LossFn) -> LossFn:
        """The same loss, of noisy embeddings."""

        def noisy(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            with changed(self._embedding, self._add):
                return compute(model, batch)

        return noisy

    def _add(self, ids: torch.Tensor, vectors: torch.Tensor, place: int) -> torch.Tensor:
        return vectors + noise(vectors.detach(), real_tokens(ids, self._padding), self.alpha)

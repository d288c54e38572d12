"""Supervised contrastive learning beside cross-entropy: Gunel et al. 2021."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.head_inputs import head_inputs, of_texts

if TYPE_CHECKING:
    import torch


def contrastive(vectors: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """Rows of one class are to be near, others far (eq. 3): the mean over rows that have another of their class.

    ``-1/|P(i)| sum_{j in P(i)} log exp(v_i v_j / t) / sum_{k != i} exp(v_i v_k / t)``, of vectors of length 1.

    Args:
        vectors: [rows, width].
        labels: int [rows].
    """
    import torch

    unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    log_p = torch.log_softmax((unit @ unit.T / temperature).masked_fill(itself, float("-inf")), dim=-1)
    alike = (labels[:, None] == labels[None]) & ~itself
    number = alike.sum(-1)
    each = -log_p.masked_fill(~alike, 0.0).sum(-1)[number > 0] / number[number > 0]
    return each.mean() if len(each) else unit.sum() * 0.0


class SupCon(Strategy):
    """``(1 - weight) * loss + weight * contrastive``, on the vectors that the output layer reads (eq. 2).

    A batch needs several rows of a class: with many classes, take larger batches.

    Args:
        weight: lambda; the paper finds 0.9 best with few rows and two classes, we 0.1 with many.
        temperature: tau; the paper's 0.3.
    """

    name: ClassVar[str] = "supcon"
    summary: ClassVar[str] = "texts of one class are drawn together (Gunel et al. 2021)"

    def __init__(
        self, weight: Annotated[float, Field(ge=0, le=1)] = 0.1, temperature: Annotated[float, Field(gt=0)] = 0.3
    ) -> None:
        self.weight = weight
        self.temperature = temperature

    def fits(self, task: Task, method: Method) -> str | None:
        """Texts with one class each, and a backbone to draw them together."""
        return needs.backbone(method) or needs.one_class(task)

    def loss(self, compute: LossFn) -> LossFn:
        """Both losses, of one pass."""

        def both(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            with head_inputs(model) as vectors:
                loss, outputs = compute(model, batch)
            if not model.training:
                return loss, outputs
            texts = of_texts(vectors[-1], batch["attention_mask"])
            apart = contrastive(texts, batch["labels"], self.temperature)
            return (1 - self.weight) * loss + self.weight * apart, outputs

        return both

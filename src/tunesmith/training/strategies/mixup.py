"""Rows between the rows: two texts and their labels are mixed (Zhang et al. 2018; for texts, Guo et al. 2019)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.training.strategies import draws, needs

if TYPE_CHECKING:
    import torch


def mixed(values: torch.Tensor, partners: torch.Tensor, share: float) -> torch.Tensor:
    """``share * x_i + (1 - share) * x_j`` (Zhang et al. 2018, eq. 1), like ``values``.

    Args:
        values: [rows, ...].
        partners: j of each row, int [rows].
    """
    between: torch.Tensor = share * values + (1 - share) * values[partners]
    return between


class Mixup(Strategy):
    """Rows of a batch are mixed: ``share * L(y_i) + (1 - share) * L(y_j)``, the share drawn from Beta(alpha, alpha).

    Mixed are the vectors that the output layer reads (senMixup, Guo et al. 2019). That layer is linear, and the shares
    sum up to 1, so its answers to mixed vectors are its mixed answers: those are computed, in one plain pass. Other
    strategies see the answers to the texts as they are.

    Args:
        alpha: 1 draws all shares alike often, less draws them near 0 and 1; 0: nothing is mixed.
    """

    name: ClassVar[str] = "mixup"
    summary: ClassVar[str] = "two texts of a batch and their labels are mixed (Zhang et al. 2018)"

    def __init__(self, alpha: Annotated[float, Field(ge=0)] = 1.0) -> None:
        self.alpha = alpha
        self._run: Any = None

    def fits(self, task: Task, method: Method) -> str | None:
        """Texts or pairs with an answer each."""
        return needs.text_vector(task)

    def start(self, run: Any) -> None:
        """The task's loss is asked for, and the run for what is drawn."""
        self._run = run

    def loss(self, compute: LossFn) -> LossFn:
        """The loss of the mixed answers, for both labels."""

        def between(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            loss, outputs = compute(model, batch)
            if not (model.training and self.alpha):
                return loss, outputs
            return self._mixed(outputs, batch), outputs

        return between

    def _mixed(self, outputs: Any, batch: Batch) -> torch.Tensor:
        import torch

        labels, task = batch["labels"], self._run.task
        draw = draws.of_batch(self._run)
        share = float(draw.beta(self.alpha, self.alpha))
        partners = torch.from_numpy(draw.permutation(len(labels))).to(labels.device)
        answers = SimpleNamespace(logits=mixed(outputs.logits.float(), partners, share))
        both = [task.loss(answers, {**batch, "labels": wanted}) for wanted in (labels, labels[partners])]
        total: torch.Tensor = share * both[0] + (1 - share) * both[1]
        return total

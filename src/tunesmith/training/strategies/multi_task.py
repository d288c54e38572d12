"""Several tasks that do not hinder each other: PCGrad (Yu et al. 2020), or learned weights (Kendall et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.tasks.head_outputs import head_outputs
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.conflicts import with_gradient, without_conflicts
from tunesmith.training.strategies.gradients import gradients

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PartLoss:
    """A part's loss in a batch, and how much the mixture has it weigh."""

    loss: torch.Tensor
    share: float


def by_uncertainty(losses: Mapping[str, PartLoss], log_variance: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """``sum_i share_i (exp(-s_i) L_i + s_i / 2)``: a scalar.

    s_i is the log of a task's variance, learned (Kendall et al. 2018, eq. 10 for classification).
    """
    terms = [
        part.share * ((-log_variance[name]).exp() * part.loss + log_variance[name] / 2) for name, part in losses.items()
    ]
    return sum(terms[1:], terms[0])


class MultiTask(Strategy):
    """How the parts of a mixture share a batch.

    Args:
        balance: "pcgrad" takes out of each part's gradient what goes against another's; it needs a backward pass for
            each part of a batch. "uncertainty" learns how much each part's loss weighs.
        rate: of learning these weights.
    """

    name: ClassVar[str] = "multi_task"
    summary: ClassVar[str] = "parts of a mixture do not hinder each other (Yu et al. 2020, or Kendall et al. 2018)"

    def __init__(
        self,
        balance: Literal["pcgrad", "uncertainty"] = "pcgrad",
        rate: Annotated[float, Field(gt=0)] = 0.025,
    ) -> None:
        self.balance = balance
        self.rate = rate
        self.log_variance: dict[str, torch.Tensor] = {}
        self._run: Any = None
        self._scale = 1.0

    def fits(self, task: Task, method: Method) -> str | None:
        """Mixtures."""
        return needs.parts(task)

    def start(self, run: Any) -> None:
        """A weight for each part."""
        import torch

        self._run = run
        self.log_variance = {name: torch.zeros(1, requires_grad=True) for name in run.task.parts}

    def loss(self, compute: LossFn) -> LossFn:
        """The parts' losses, put together again."""

        def balanced(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            loss, outputs = compute(model, batch)
            losses = part_losses(self._run.task, outputs, batch)
            if not model.training:
                return loss, outputs
            if self.balance == "uncertainty":
                own = {name: s.to(loss.device).squeeze(0) for name, s in self.log_variance.items()}
                return by_uncertainty(losses, own), outputs
            return (loss if len(losses) < 2 else self._projected(loss, losses)), outputs

        return balanced

    def _projected(self, loss: torch.Tensor, losses: Mapping[str, PartLoss]) -> torch.Tensor:
        import torch

        weights = list(self._run.trained().values())
        each = []
        for part in losses.values():
            found = gradients(self._run, part.share * part.loss, weights, retain_graph=True)
            each.append([torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)])
        orders = [[j for j in torch.randperm(len(each)).tolist() if j != i] for i in range(len(each))]
        return with_gradient(loss, weights, without_conflicts(each, orders))

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """The weights are not the optimizer's, so nobody else takes the scale of fp16 out of their gradients."""
        self._scale = float(run.scale())

    def on_step(self, run: Any) -> None:
        """Plain descent for the weights: nothing but themselves is to be kept for a resume."""
        import torch

        with torch.no_grad():
            for s in self.log_variance.values():
                if s.grad is not None:
                    if torch.isfinite(s.grad).all():  # else the scaler leaves this step out, too
                        s.sub_(self.rate * s.grad / self._scale)
                    s.grad = None

    def state(self) -> dict[str, Any]:
        """The learned weights."""
        return {name: s.detach() for name, s in self.log_variance.items()} if self.balance == "uncertainty" else {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""
        import torch

        with torch.no_grad():
            for name, value in state.items():
                self.log_variance[name].copy_(value)


def part_losses(task: Any, outputs: Any, batch: Batch) -> dict[str, PartLoss]:
    """Each part's loss; weighed, they sum up to the mixture's own."""
    rows = {name: len(logits) for name, logits in outputs.items()}
    total = sum(rows.values())
    return {
        name: PartLoss(
            task.parts[name].loss(head_outputs(logits), {"labels": batch["labels"][name]}),
            task.weights[name] * rows[name] / total,
        )
        for name, logits in outputs.items()
    }

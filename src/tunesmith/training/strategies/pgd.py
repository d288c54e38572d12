"""Adversarial training by projected gradient ascent: Madry et al. 2018, on the embeddings as Miyato et al. 2017."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn
from tunesmith.training.strategies.adversary import Adversary
from tunesmith.training.strategies.gradients import gradients


class Pgd(Adversary):
    """The clean pass, and one at the worst place that some steps find; both gradients count.

    ``x(t+1) = P(x(t) + step * g / ||g||)`` (Madry et al. 2018, section 2.1, with the 2-norm), for each text.

    Args:
        epsilon: the longest move of a text, in units of the embedding table.
        step: length of a step.
        steps: passes after the clean one; all but the last are for the move alone.
    """

    name: ClassVar[str] = "pgd"
    summary: ClassVar[str] = "adversarial training, several steps on the embeddings (Madry et al. 2018)"

    def __init__(
        self,
        epsilon: Annotated[float, Field(gt=0)] = 0.3,
        step: Annotated[float, Field(gt=0)] = 0.12,
        steps: Annotated[int, Field(ge=1)] = 3,
    ) -> None:
        super().__init__(epsilon, step, steps)

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """Climb from the clean pass's gradient, and add the gradient at the top."""
        with self.going_on():
            self.ascend([move.grad for move in self._moves])
            for _ in range(self.steps - 1):
                loss, _ = compute(run.model, batch)
                self.ascend(gradients(run, loss, self._moves))
            loss, _ = compute(run.model, batch)
            run.backward(loss)

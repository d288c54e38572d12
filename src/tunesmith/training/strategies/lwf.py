"""Learning without forgetting: Li & Hoiem 2016."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Method, Task
from tunesmith.training.strategies.distill import Distill
from tunesmith.training.strategies.teachers import Earlier

if TYPE_CHECKING:
    import torch


class Lwf(Distill):
    """``loss + weight * softened``: on the new rows, the model is to answer as it did before (eq. 1 and 2).

    No old row is needed. Classes that are new have no old answer: the old ones are compared among each other.

    Args:
        before: a bundle's folder; "": the model as it is when training starts, head included, so that it must be
            one that was tuned before.
        weight: lambda of eq. 1.
        temperature: T; the paper's 2.
    """

    name: ClassVar[str] = "lwf"
    summary: ClassVar[str] = "answers to new rows stay what they were (Li & Hoiem 2016)"

    def __init__(
        self,
        before: str = "",
        weight: Annotated[float, Field(ge=0)] = 1.0,
        temperature: Annotated[float, Field(ge=1)] = 2.0,
    ) -> None:
        super().__init__([before] if before else [], weight, temperature)
        self.known = 0
        """Classes that the model as it is has learned, the first ones; 0: all. Who makes classes says so."""

    def fits(self, task: Task, method: Method) -> str | None:
        """Anywhere: only a bundle needs more than finished vectors."""
        return super().fits(task, method) if self.paths else None

    def start(self, run: Any) -> None:
        """Load the bundle, or keep the weights."""
        super().start(run)
        self.teachers = self.teachers or [Earlier(run, self.known)]

    def together(self, loss: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
        """The sum: the labels count in full."""
        return loss + self.weight * distance

"""Half-way back to the start, in the space of weights: WiSE-FT (Wortsman et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Method, Strategy, Task
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.new_weights import start_of
from tunesmith.training.strategies.weight_average import exchanged

if TYPE_CHECKING:
    import torch


class WiseFt(Strategy):
    """``(1 - share) * start + share * weights`` (eq. 1) is measured and saved; training itself goes on unmoved.

    What tuning made worse on other texts comes back for the most part, and most of what it gained stays. New weights,
    a head's, have no start, and stay as they are. Under lora the update starts at zero, so it shrinks.

    Args:
        share: alpha, of the tuned weights; the paper's 0.5 is good nearly everywhere; 1 changes nothing.
    """

    name: ClassVar[str] = "wise_ft"
    summary: ClassVar[str] = "a mean of the start's and the tuned weights is measured and saved (Wortsman et al. 2022)"

    def __init__(self, share: Annotated[float, Field(gt=0, le=1)] = 0.5) -> None:
        self.share = share
        self._start: dict[str, torch.Tensor] = {}

    def fits(self, task: Task, method: Method) -> str | None:
        """Not where nothing that was pretrained is trained."""
        return needs.backbone(method)

    def start(self, run: Any) -> None:
        """Keep the start."""
        self._start = start_of(run)

    @contextmanager
    def measured(self, run: Any) -> Iterator[None]:
        """The mean in the weights' place."""
        import torch

        weights: Mapping[str, torch.Tensor] = run.trained()
        with torch.no_grad():
            mean = {name: torch.lerp(start, weights[name], self.share) for name, start in self._start.items()}
        with exchanged(weights, mean):
            yield

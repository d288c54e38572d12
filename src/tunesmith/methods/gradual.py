"""Layers thaw from the top, one after the other: gradual unfreezing (ULMFiT, Howard & Ruder 2018, 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.core.contracts import Batch, LossFn, Strategy

if TYPE_CHECKING:
    from torch import nn


class GradualUnfreezing(Strategy):
    """Until a layer's turn has come its gradients are put away, so that the optimizer does not move it.

    The turns are evenly spread over the first half of the steps: ULMFiT gives each layer an epoch, which for a
    model of twelve would be longer than most runs.
    """

    name: ClassVar[str] = "gradual_unfreezing"
    summary: ClassVar[str] = "layers thaw from the top, one after the other (Howard & Ruder 2018)"

    def __init__(self) -> None:
        self._layers: list[list[nn.Parameter]] = []

    def start(self, run: Any) -> None:
        """Sort what is trained by layers, the uppermost first."""
        from tunesmith.methods.freeze import layer_of

        found: dict[int, list[nn.Parameter]] = {}
        for name, parameter in run.model.named_parameters():
            layer = layer_of(name)
            if parameter.requires_grad and layer is not None:
                found.setdefault(layer, []).append(parameter)
        self._layers = [found[layer] for layer in sorted(found, reverse=True)]

    def thawed(self, step: int, total: int) -> int:
        """How many layers learn at a step (from 0) of ``total``."""
        return min(len(self._layers), 1 + int(2 * step / max(1, total) * len(self._layers)))

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """Put away the gradients of those that are still frozen."""
        for parameters in self._layers[self.thawed(run.step, run.total_steps) :]:
            for parameter in parameters:
                parameter.grad = None

"""Gradients that a strategy takes beside the loop's own backward pass, in any precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BACK_OFF = 16.0
"""What a scale that is too large is divided by."""


def gradients(
    run: Any, loss: torch.Tensor, inputs: Sequence[torch.Tensor], *, retain_graph: bool = False
) -> list[torch.Tensor | None]:
    """Of a loss by each input; None for those that it does not hang on.

    In fp16 small gradients vanish on their way, so the loss is scaled as the loop's (Micikevicius et al. 2018, 3.2)
    and the gradients scaled back; where that is too much for some, less.

    Args:
        run: whose ``scale()`` is taken.
    """
    import torch

    scale = float(run.scale())
    if scale == 1:
        return list(torch.autograd.grad(loss, inputs, allow_unused=True, retain_graph=retain_graph))
    while True:
        found = torch.autograd.grad(loss * scale, inputs, allow_unused=True, retain_graph=True)
        if scale <= 1 or all(bool(torch.isfinite(g).all()) for g in found if g is not None):
            return [None if g is None else g / scale for g in found]
        scale = max(1.0, scale / BACK_OFF)

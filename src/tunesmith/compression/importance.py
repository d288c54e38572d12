"""How much the loss hangs on each attention head and each feed-forward neuron.

A mask of ones is laid on the heads' outputs and on the neurons; ``g[row]`` is the gradient of a row's loss by it, so
that ``-g`` is what the loss would change by, to the first order, if the part were taken away. One pass forward and
back gives ``g`` of all rows and parts::

    taylor = mean |g|      Michel et al. 2019, eq. 2 (heads); Molchanov et al. 2019 (neurons)
    fisher = mean g^2      Kwon et al. 2022, section 4: the diagonal of the masks' Fisher information
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from tunesmith.compression.calibration import Loss, as_it_answers, hooked
from tunesmith.core.contracts import Batch
from tunesmith.models.encoder_layers import encoder_layers

Kind = Literal["fisher", "taylor"]


@dataclass(frozen=True)
class Importance:
    """One array a layer.

    Args:
        heads: [heads].
        neurons: [neurons].
    """

    heads: list[torch.Tensor]
    neurons: list[torch.Tensor]


def importance(model: Any, batches: Sequence[Batch], loss: Loss, kind: Kind = "fisher") -> Importance:
    """Of every head and neuron, over the rows of the batches.

    Args:
        loss: the mean over a batch's rows; of tokens, a row's part in it is what is counted.
    """
    layers = encoder_layers(model)
    heads = [torch.zeros(layer.heads, dtype=torch.float64) for layer in layers]
    neurons = [torch.zeros(layer.up.out_features, dtype=torch.float64) for layer in layers]
    sums = [(layer.out, layer.size, sum_) for layer, sum_ in zip(layers, heads, strict=True)]
    sums += [(layer.down, 1, sum_) for layer, sum_ in zip(layers, neurons, strict=True)]
    masks: list[tuple[torch.Tensor, torch.Tensor]] = []
    rows = 0

    def masked(size: int, sum_: torch.Tensor) -> Any:
        def lay(module: Any, inputs: Any) -> Any:
            states = inputs[0]
            mask = torch.ones(len(states), 1, len(sum_), device=states.device, requires_grad=True)
            masks.append((mask, sum_))
            return (states * mask.repeat_interleave(size, dim=-1),)

        return lay

    with as_it_answers(model), hooked([m.register_forward_pre_hook(masked(size, s)) for m, size, s in sums]):
        for batch in batches:
            masks.clear()
            with torch.enable_grad():
                loss(model, batch).backward()  # type: ignore[no-untyped-call]
            here = sum(len(mask) for mask, sum_ in masks if sum_ is heads[0])  # some tasks pass a batch in parts
            for mask, sum_ in masks:
                if mask.grad is not None:
                    own = mask.grad.squeeze(1).cpu().double() * here  # a row's own, where the loss is the mean
                    sum_ += (own.square() if kind == "fisher" else own.abs()).sum(0)
            rows += here
    return Importance([sum_ / max(1, rows) for sum_ in heads], [sum_ / max(1, rows) for sum_ in neurons])


def comparable(scores: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Scores of several layers on one scale: each layer's divided by its length (Michel et al. 2019, section 3.1)."""
    return [score / score.norm().clamp_min(1e-30) for score in scores]

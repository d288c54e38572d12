"""Linear layers that read the same input as one product, with the low-rank updates that peft put beside them.

Autocast casts a frozen weight anew at each step, and peft casts the input to fp32 and back and adds each update in
passes of its own. Here frozen weights are cast once, layers beside each other are one matrix, and so are their updates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

Parameters = Sequence[torch.Tensor]
"""Of a group: weights, biases, then the updates' A and B, each in the layers' order."""


class Linears:
    """``y = [x W₁ᵀ + b₁ + s₁ x A₁ᵀ B₁ᵀ, x W₂ᵀ ...]``, with its backward.

    Args:
        layers: ``nn.Linear``, or peft's LoRA layers around one: see ``fits``.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        bases = [getattr(layer, "base_layer", layer) for layer in layers]
        updates = [_update(layer) for layer in layers]
        self.sizes = [base.out_features for base in bases]
        self.biased = bases[0].bias is not None
        self.ranks = [0 if update is None else update[0].shape[0] for update in updates]
        self.scales = [0.0 if update is None else update[2] for update in updates]
        self.parameters: list[nn.Parameter] = [base.weight for base in bases]
        if self.biased:
            self.parameters += [base.bias for base in bases]
        self.parameters += [update[0] for update in updates if update] + [update[1] for update in updates if update]
        self._kept: torch.Tensor | None = None

    @property
    def count(self) -> int:
        """Tensors of ``parameters``."""
        return len(self.parameters)

    @property
    def frozen(self) -> bool:
        """Whether none of the weights is trained, now."""
        return not any(weight.requires_grad for weight in self.parameters[: len(self.sizes)])

    def matrix(self, given: Parameters, precision: torch.dtype) -> torch.Tensor:
        """All weights, [out of all layers, in]; frozen ones are made once."""
        if self._kept is not None and self._kept.dtype == precision and self.frozen:
            return self._kept
        weights = [weight.detach().to(precision) for weight in given[: len(self.sizes)]]
        found = weights[0] if len(weights) == 1 else torch.cat(weights)
        self._kept = found if self.frozen else None
        return found

    def forward(self, x: torch.Tensor, given: Parameters) -> tuple[torch.Tensor, torch.Tensor | None]:
        """x: [tokens, in] -> [tokens, out of all layers], and what the updates' A makes of x, [tokens, ranks]."""
        y = torch.mm(x, self.matrix(given, x.dtype).t())
        if self.biased:
            y += torch.cat([bias.to(x.dtype) for bias in given[len(self.sizes) : 2 * len(self.sizes)]])
        if not any(self.ranks):
            return y, None
        down, up = self._updates(given, x.dtype)
        small = torch.mm(x, down.t())
        return torch.addmm(y, small, up.t()), small

    def backward(
        self, gradient: torch.Tensor, x: torch.Tensor, small: torch.Tensor | None, given: Parameters, further: bool
    ) -> tuple[torch.Tensor | None, list[torch.Tensor | None]]:
        """Gradients of x (None unless ``further``) and of the parameters, these in fp32.

        Args:
            gradient: of y, [tokens, out of all layers].
            small: what ``forward`` gave.
        """
        layers = len(self.sizes)
        found: list[torch.Tensor | None] = [None] * self.count
        if not self.frozen:
            found[:layers] = torch.split(torch.mm(gradient.t(), x).float(), self.sizes)
        if self.biased and given[layers].requires_grad:
            found[layers : 2 * layers] = torch.split(gradient.sum(0).float(), self.sizes)
        to_x = torch.mm(gradient, self.matrix(given, x.dtype)) if further else None
        if small is not None:
            down, up = self._updates(given, x.dtype)
            to_small = torch.mm(gradient, up)
            of_down = torch.mm(to_small.t(), x).float()
            of_up = torch.mm(gradient.t(), small).float()
            if to_x is not None:
                to_x = torch.addmm(to_x, to_small, down)
            at, ranks = layers * (2 if self.biased else 1), [rank for rank in self.ranks if rank]
            found[at : at + len(ranks)] = torch.split(of_down, ranks)
            found[at + len(ranks) :] = self._blocks(of_up)
        return to_x, found

    def _updates(self, given: Parameters, precision: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """A of all layers, [ranks, in]; and of each layer ``s B`` in its own rows and columns, [out, ranks]."""
        some = given[len(self.sizes) * (2 if self.biased else 1) :]
        half = len(some) // 2
        down = torch.cat([one.detach() for one in some[:half]]).to(precision)
        up = torch.zeros(sum(self.sizes), sum(self.ranks), dtype=precision, device=down.device)
        each = iter(some[half:])
        for block, rank, scale in zip(self._blocks(up, scaled=False), self.ranks, self.scales, strict=True):
            if rank and block is not None:
                torch.mul(next(each).detach(), scale, out=block)
        return down, up

    def _blocks(self, whole: torch.Tensor, scaled: bool = True) -> list[Any]:
        """Each layer's own part of ``[out, ranks]``; scaled, only of those that have an update."""
        found: list[Any] = []
        row = column = 0
        for size, rank, scale in zip(self.sizes, self.ranks, self.scales, strict=True):
            part = whole[row : row + size, column : column + rank]
            row, column = row + size, column + rank
            if scaled and rank:
                found.append(part * scale)
            elif not scaled:
                found.append(part)
        return found


def fits(layer: Any) -> bool:
    """Whether a layer is ``nn.Linear``, or one with a plain LoRA update without dropout; all in fp32."""
    base = getattr(layer, "base_layer", layer)
    if type(base) is not nn.Linear or base.weight.dtype != torch.float32 or _watched(layer) or _watched(base):
        return False
    if layer is base:
        return True
    from peft.tuners.lora.layer import Linear

    if type(layer) is not Linear or layer.merged or layer.disable_adapters or len(layer.active_adapters) != 1:
        return False
    name = layer.active_adapters[0]
    return (
        set(layer.lora_A) == {name}
        and name not in layer.lora_variant
        and type(layer.lora_dropout[name]) is nn.Identity
        and layer.lora_B[name].bias is None
        and not layer.fan_in_fan_out
        and not base.weight.requires_grad
    )


def _update(layer: Any) -> tuple[Any, Any, float] | None:
    if not hasattr(layer, "base_layer"):
        return None
    name = layer.active_adapters[0]
    return layer.lora_A[name].weight, layer.lora_B[name].weight, float(layer.scaling[name])


def _watched(module: nn.Module) -> bool:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(module, name, None) for name in hooks)

"""The parts of bottleneck adapters, put onto a model's own layers by hooks, so that no name of a weight changes.

In a layer with ``h = W_2 f(W_1 x)``::

    serial      h <- h + U relu(D h)                (Houlsby et al. 2019, fig. 2)
    parallel    h <- h + U f(D x)                   (He et al. 2022, table 2)

The parallel one has the shape of the feed-forward part itself: D's rows are more rows of ``W_1``, U's columns more
columns of ``W_2``. So it can be written into a model of the same kind whose feed-forward part is wider.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

MARK = "bottleneck"
"""What an adapter is called inside of the layer that it stands beside."""


class Serial(nn.Module):
    """[..., width] -> [..., width], zero at the start."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, size)
        self.up = nn.Linear(size, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What is added to ``x``."""
        added: torch.Tensor = self.up(functional.relu(self.down(x)))
        return added


def put_after(layer: Any, size: int) -> None:
    """A serial adapter on what the layer gives out."""
    layer.add_module(MARK, Serial(_sizes(layer)[1], size))
    layer.register_forward_hook(_add)


def put_beside(widens: list[Any], narrows: Any, size: int) -> None:
    """A parallel adapter beside a feed-forward part: more outputs of what widens, more inputs of what narrows."""
    for layer in widens:
        layer.add_module(MARK, nn.Linear(_sizes(layer)[0], size, bias=layer.bias is not None))
        layer.register_forward_hook(_widen)
    up = nn.Linear(size, _sizes(narrows)[1], bias=False)
    nn.init.zeros_(up.weight)
    narrows.add_module(MARK, up)
    narrows.register_forward_pre_hook(_split)
    narrows.register_forward_hook(_join)


def fold(widens: list[Any], narrows: Any) -> None:
    """Write a parallel adapter into the layers that it stands beside."""
    for layer in widens:
        _take_off(layer, lambda own, more: torch.cat([own, more]), outputs=True)
    _take_off(narrows, lambda own, more: torch.cat([own, more], dim=1), outputs=False)


def pad(widens: list[Any], narrows: Any, size: int) -> None:
    """The same for layers without an adapter: zeros."""
    for layer, dimension in [*((layer, 0) for layer in widens), (narrows, 1)]:
        weight = _oriented(layer)
        shape = (size, weight.shape[1]) if dimension == 0 else (weight.shape[0], size)
        _resized(layer, torch.cat([weight, weight.new_zeros(shape)], dim=dimension))
        if dimension == 0 and layer.bias is not None:
            layer.bias = nn.Parameter(functional.pad(layer.bias.data, (0, size)), requires_grad=False)


def _take_off(layer: Any, joined: Any, *, outputs: bool) -> None:
    more = layer.get_submodule(MARK)
    bias = layer.bias
    _resized(layer, joined(_oriented(layer), more.weight.data))
    if outputs and bias is not None:
        layer.bias = nn.Parameter(torch.cat([bias.data, more.bias.data]))
    delattr(layer, MARK)
    for hooks in (layer._forward_hooks, layer._forward_pre_hooks):
        for key in [key for key, hook in hooks.items() if hook in (_widen, _split, _join)]:
            del hooks[key]


def _oriented(layer: Any) -> torch.Tensor:
    """A layer's weight as a linear layer has it: [outputs, inputs]."""
    weight: torch.Tensor = layer.weight.data
    return weight if isinstance(layer, nn.Linear) else weight.T


def _resized(layer: Any, weight: torch.Tensor) -> None:
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = weight.shape
        layer.weight = nn.Parameter(weight.contiguous())
    else:
        layer.nf, layer.nx = weight.shape
        layer.weight = nn.Parameter(weight.T.contiguous())


def _sizes(layer: Any) -> tuple[int, int]:
    outputs, inputs = _oriented(layer).shape
    return inputs, outputs


def _add(layer: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    added: torch.Tensor = output + layer.get_submodule(MARK)(output)
    return added


def _widen(layer: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    return torch.cat([output, layer.get_submodule(MARK)(inputs[0])], dim=-1)


def _split(layer: Any, inputs: Any) -> tuple[torch.Tensor]:
    own = _sizes(layer)[0]
    layer._beside = inputs[0][..., own:]
    return (inputs[0][..., :own],)


def _join(layer: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
    added: torch.Tensor = output + layer.get_submodule(MARK)(layer.__dict__.pop("_beside"))
    return added

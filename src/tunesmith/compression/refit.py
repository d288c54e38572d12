"""What is cut off is made up for: the next linear map is fitted anew to what came out before.

Neurons say much the same as each other. So the map behind them can give nearly its old output from the kept ones, if
its weights are those of least squares (He et al. 2017, eq. 1, for channels; Kwon et al. 2022, section 4.3, for
masks). With ``a`` what the kept ones say, ``y`` what is wanted, and C their covariances::

    W' = W + (C[y, a] - W C[a, a]) (C[a, a] + ridge * I)^-1        W: as it was, of the kept ones
    b' = mean(y) - W' mean(a)

Ridge regression *towards the weights as they were*: with a large ridge it is plain cutting. No label is read.

Layers are fitted from the lowest up, and each one to the whole model's sums: what is wanted is that the map's output
*and* what flows past it add up to what they were, so that a layer makes up for those below it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tunesmith.compression.calibration import Loss, Tokens, as_it_answers, hooked, passes, tokens_of
from tunesmith.core.contracts import Batch

RIDGE = 0.01
"""As a share of the inputs' mean variance."""


@dataclass
class Moments:
    """Of a linear map's inputs and of what is wanted of it.

    Args:
        count: tokens.
        inputs: their sum, [inputs].
        outputs: of what is wanted, [outputs].
        products: of all pairs of inputs, [inputs, inputs].
        cross: of what is wanted with the inputs, [outputs, inputs].
    """

    count: int
    inputs: torch.Tensor
    outputs: torch.Tensor
    products: torch.Tensor
    cross: torch.Tensor

    @classmethod
    def none(cls, inputs: int, outputs: int) -> Moments:
        """Of no tokens yet."""
        a, y = (torch.zeros(n, dtype=torch.float64) for n in (inputs, outputs))
        return cls(0, a, y, torch.zeros(inputs, inputs), torch.zeros(outputs, inputs))

    def add(self, inputs: torch.Tensor, wanted: torch.Tensor) -> None:
        """More tokens: [tokens, inputs] and [tokens, outputs]."""
        self.count += len(inputs)
        self.inputs += inputs.sum(0).cpu().double()  # a Mac's GPU has no float64
        self.outputs += wanted.sum(0).cpu().double()
        self.products += (inputs.T @ inputs).cpu()
        self.cross += (wanted.T @ inputs).cpu()


def fitted(weight: torch.Tensor, given: Moments, ridge: float = RIDGE) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights [outputs, inputs] and bias [outputs] that give what is wanted, as nearly as can be.

    Args:
        weight: as it was.
    """
    count = max(1, given.count)
    a, y = given.inputs / count, given.outputs / count
    own = given.products.double() / count - torch.outer(a, a)
    cross = given.cross.double() / count - torch.outer(y, a)
    old = weight.detach().cpu().double()
    shift = ridge * own.diagonal().mean().clamp_min(1e-12) * torch.eye(len(own), dtype=torch.float64)
    new = old + torch.cholesky_solve((cross - old @ own).T, torch.linalg.cholesky(own + shift)).T
    return new, y - new @ a


def sums_at(model: Any, norms: Sequence[nn.Module], batches: Sequence[Batch], loss: Loss) -> list[list[torch.Tensor]]:
    """What goes into each of some normalisations, padding left out: one list a norm, [tokens, width] a pass."""
    found: list[list[torch.Tensor]] = [[] for _ in norms]
    tokens = Tokens(model)

    def read(into: list[torch.Tensor]) -> Any:
        return lambda module, inputs: into.append(tokens.of(inputs[0]).float().cpu())

    hooks = [norm.register_forward_pre_hook(read(into)) for norm, into in zip(norms, found, strict=True)]
    with as_it_answers(model), hooked([tokens.hook, *hooks]):
        passes(model, batches, loss)
    return found


@dataclass
class Call:
    """One call of a layer, to be made again.

    Args:
        states: what the layer reads, [rows, length, width].
        others: its other arguments, by place and by name.
        mask: 1 where a token is, [rows, length]; None: everywhere.
    """

    states: torch.Tensor
    others: tuple[tuple[Any, ...], dict[str, Any]]
    mask: torch.Tensor | None

    def through(self, layer: nn.Module) -> torch.Tensor:
        """What the layer gives."""
        args, named = self.others
        output = layer(self.states, *args, **named)
        given: torch.Tensor = output[0] if isinstance(output, tuple) else output
        return given


def calls_of(model: Any, layer: nn.Module, batches: Sequence[Batch], loss: Loss) -> list[Call]:
    """How a layer is called in passes over the batches. All layers of an encoder are called alike."""
    found: list[Call] = []
    tokens = Tokens(model)

    def read(module: Any, args: Any, named: dict[str, Any]) -> None:
        rest = {name: value for name, value in named.items() if name != "hidden_states"}
        states = args[0] if args else named["hidden_states"]
        found.append(Call(states, (tuple(args[1:]), rest), tokens.mask))

    hooks = [tokens.hook, layer.register_forward_pre_hook(read, with_kwargs=True)]
    with as_it_answers(model), hooked(hooks):
        passes(model, batches, loss)
    return found


def refit(
    layer: nn.Module, linear: nn.Linear, norm: nn.Module, sums: Sequence[torch.Tensor], calls: Sequence[Call],
    kept: torch.Tensor | None = None,
) -> None:  # fmt: skip
    """Fit a linear map of a layer that was cut, so that the sums after it are nearly what they were, in place.

    Args:
        norm: what normalises the sum of the map's output and of what flows past it.
        sums: as ``sums_at`` gave them of the whole model.
        calls: of the layer, in the same order.
        kept: inputs that the map has, where the others are zero; None: all.
    """
    places = torch.arange(linear.in_features) if kept is None else kept
    given = Moments.none(len(places), linear.out_features)
    order = zip(calls, sums, strict=True)
    last: list[torch.Tensor] = []

    def leaves(module: Any, inputs: Any, output: Any) -> None:
        last[:] = [inputs[0], output]

    def arrives(module: Any, inputs: Any) -> None:
        call, wanted = next(order)
        states, output = (tokens_of(part, call.mask).float() for part in last)
        past = tokens_of(inputs[0], call.mask).float() - output
        given.add(states[:, places], wanted.to(past) - past)

    with hooked([linear.register_forward_hook(leaves), norm.register_forward_pre_hook(arrives)]), torch.no_grad():
        for call in calls:
            call.through(layer)
    weight, bias = fitted(linear.weight[:, places], given)
    with torch.no_grad():
        linear.weight[:, places] = weight.to(linear.weight.dtype).to(linear.weight.device)
        linear.bias.copy_(bias.to(linear.bias.dtype))

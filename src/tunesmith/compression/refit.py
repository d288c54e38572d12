"""What is cut off is made up for: the next linear map is fitted anew to what came out before.

Neurons say much the same as each other. So the map behind them can give nearly its old output from the kept ones, if
its weights are those of least squares (He et al. 2017, eq. 1, for channels; Kwon et al. 2022, section 4.3, for
masks)::

    W' = W[:, K] + W[:, D] C[D, K] (C[K, K] + ridge * I)^-1        K kept, D dropped, C their covariance
    b' = b + W m - W' m[K]                                         m the mean input

Ridge regression *towards the weights as they were*: without calibration tokens, or with a large ridge, it is plain
cutting. It costs one pass and a solution of width^3, and no label is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tunesmith.compression.calibration import Loss, Tokens, as_it_answers, hooked, passes
from tunesmith.core.contracts import Batch

RIDGE = 0.01
"""As a share of the inputs' mean variance."""


@dataclass
class Moments:
    """Of what goes into a linear map.

    Args:
        count: tokens.
        total: their sum, [inputs].
        products: of all pairs, [inputs, inputs]; in fp32, since they are large and there is one for each layer.
    """

    count: int
    total: torch.Tensor
    products: torch.Tensor

    @property
    def mean(self) -> torch.Tensor:
        """[inputs]."""
        return self.total / max(1, self.count)

    @property
    def covariance(self) -> torch.Tensor:
        """[inputs, inputs]."""
        return self.products.double() / max(1, self.count) - torch.outer(self.mean, self.mean)


def moments(model: Any, linears: Sequence[nn.Linear], batches: Sequence[Batch], loss: Loss) -> list[Moments]:
    """Of the tokens that go into each of some linear maps of the model; padding is left out."""
    found = [
        Moments(0, torch.zeros(n, dtype=torch.float64), torch.zeros(n, n))
        for n in (linear.in_features for linear in linears)
    ]
    tokens = Tokens(model)

    def add(own: Moments) -> Any:
        def read(module: Any, inputs: Any) -> None:
            states = tokens.of(inputs[0]).float()
            own.count += len(states)
            own.total += states.sum(0).double().cpu()
            own.products += (states.T @ states).cpu()

        return read

    hooks = [linear.register_forward_pre_hook(add(own)) for linear, own in zip(linears, found, strict=True)]
    with as_it_answers(model), hooked([tokens.hook, *hooks]):
        passes(model, batches, loss)
    return found


def refitted(linear: nn.Linear, kept: torch.Tensor, given: Moments, ridge: float = RIDGE) -> tuple[Any, Any]:
    """Weights [outputs, kept] and bias [outputs] that give the old outputs from the kept inputs, as nearly as can be.

    Args:
        kept: places of the inputs, rising.
        given: of all inputs, before the cut.
    """
    weight = linear.weight.detach().double().cpu()
    bias = torch.zeros(len(weight), dtype=torch.float64) if linear.bias is None else linear.bias.detach().double().cpu()
    dropped = torch.ones(weight.shape[1], dtype=torch.bool)
    dropped[kept] = False
    covariance, mean = given.covariance, given.mean
    own = covariance[kept][:, kept]
    shift = ridge * own.diagonal().mean().clamp_min(1e-12) * torch.eye(len(kept), dtype=torch.float64)
    wanted = weight[:, dropped] @ covariance[dropped][:, kept]
    fitted = weight[:, kept] + torch.linalg.solve(own + shift, wanted.T).T
    return fitted, bias + weight @ mean - fitted @ mean[kept]


def put(linear: nn.Linear, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Write values of the linear's own shapes into it."""
    with torch.no_grad():
        linear.weight.copy_(weight)
        if linear.bias is not None:
            linear.bias.copy_(bias)

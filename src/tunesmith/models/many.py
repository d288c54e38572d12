"""Layers that hold several models' weights and take, for each row of a batch, those of its model.

So that many tuned models over one backbone are in memory once and are computed in one batch: what LoRA adds (as in
S-LoRA, Sheng et al. 2023, and Punica, Chen et al. 2023: one product with the base for all, small ones with each
row's own factors), and whole layers, for heads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional


@dataclass
class Routes:
    """Which model each row of the present batch is of: int64 [batch]. One object for all layers of a model."""

    rows: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))

    def single(self) -> int | None:
        """The model of all rows, where it is one."""
        first = int(self.rows[0])
        return first if bool((self.rows == first).all()) else None


class ManyLora(nn.Module):
    """A linear layer with low-rank additions, one a model: ``x W + x A_i B_i`` (Hu et al. 2021, equation 3).

    Args:
        linear: the layer of the base.
        routes: of the model.
    """

    a: torch.Tensor
    b: torch.Tensor

    def __init__(self, linear: nn.Linear, routes: Routes) -> None:
        super().__init__()
        self.linear = linear
        self.routes = routes
        self.register_buffer("a", linear.weight.new_zeros(0, 1, linear.in_features))  # [models, rank, in]
        self.register_buffer("b", linear.weight.new_zeros(0, linear.out_features, 1))  # [models, out, rank]

    def add(self, a: torch.Tensor | None = None, b: torch.Tensor | None = None) -> None:
        """One more model, with what it adds to the base: ``a`` [rank, in], ``b`` [out, rank], scaled; None: nothing."""
        if a is None or b is None:
            a, b = self.a.new_zeros(1, self.a.shape[2]), self.b.new_zeros(self.b.shape[1], 1)
        a, b = a.to(self.a), b.to(self.b)
        rank = max(self.a.shape[1], a.shape[0])
        padded_a = [functional.pad(one, (0, 0, 0, rank - one.shape[-2])) for one in (self.a, a[None])]
        padded_b = [functional.pad(one, (0, rank - one.shape[-1])) for one in (self.b, b[None])]
        self.a, self.b = torch.cat(padded_a).contiguous(), torch.cat(padded_b).contiguous()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, ..., in] -> [batch, ..., out]."""
        y: torch.Tensor = self.linear(x)
        one = self.routes.single()
        if one is not None:
            return y + functional.linear(functional.linear(x, self.a[one]), self.b[one])
        flat = x.reshape(len(x), -1, x.shape[-1])
        added = flat @ self.a[self.routes.rows].transpose(1, 2) @ self.b[self.routes.rows].transpose(1, 2)
        return y + added.view(y.shape)


class ManyLinear(nn.Module):
    """A whole linear layer for each model. Where one has fewer outputs than another the rest are 0.

    Args:
        linear: of the first ``models`` models.
        routes: of the model.
        models: how many there are already, all with these weights.
    """

    def __init__(self, linear: nn.Linear, routes: Routes, models: int) -> None:
        super().__init__()
        self.routes = routes
        self.layers = nn.ModuleList([linear])
        self.of = [0] * models

    def add(self, linear: nn.Linear | None = None) -> None:
        """One more model, with a layer of its own, or with the first one's."""
        self.of.append(len(self.layers) if linear is not None else 0)
        if linear is not None:
            self.layers.append(linear.to(next(self.layers.parameters())))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, ..., in] -> [batch, ..., the most outputs of any]."""
        width = max(int(one.out_features) for one in self.layers)  # type: ignore[arg-type]
        made = x.new_zeros(*x.shape[:-1], width)
        layer_of = torch.tensor(self.of, device=x.device)[self.routes.rows]
        for number in sorted(set(layer_of.tolist())):
            own = (layer_of == number).nonzero().flatten()
            found = self.layers[number](x[own])
            made[own, ..., : found.shape[-1]] = found
        return made

"""Several tuned models that answer as one: an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class Together(nn.Module):
    """The weighted mean of what several models give, name by name.

    A mean of logits is the geometric mean of probabilities (Hinton et al. 2015, 2, take either mean), and of numbers
    their mean, so that it is the same for every task's head.

    Args:
        members: models of one task, whose outputs have the same shapes.
        weights: one a member; only their ratios count.
    """

    def __init__(self, members: Sequence[Any], weights: Sequence[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.shares = [float(weight) / sum(weights) for weight in weights]
        self.config = members[0].config

    @property
    def base_model(self) -> Any:
        """The first member's, which stands for the others where a backbone is looked at."""
        first: Any = self.members[0]
        return first.base_model

    def forward(self, **inputs: Any) -> Any:
        """Like a member's output; what only tensors can be the mean of."""
        outputs = [member(**inputs) for member in self.members]
        means = {
            name: sum(share * output[name].float() for share, output in zip(self.shares, outputs, strict=True))
            for name, value in outputs[0].items()
            if isinstance(value, torch.Tensor)
        }
        return type(outputs[0])(**means)

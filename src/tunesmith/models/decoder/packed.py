"""A linear layer whose weights lie as the CPU's matrix product wants them, so that it need not turn them each time.

oneDNN's product of a few rows with packed weights takes about half the time of torch's own, at the same precision
(``benchmarks/service/chat.py`` has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import nn

HINT = 8
"""Rows that the weights are packed for; others are computed as well."""


class Packed(nn.Module):
    """``x @ weight.T + bias``, of one layer or of several that read the same.

    Args:
        weights: [out, in] each.
        biases: [out] each; None: there is none.
    """

    def __init__(self, weights: Sequence[torch.Tensor], biases: Sequence[torch.Tensor | None]) -> None:
        super().__init__()
        whole = torch.cat([weight.detach() for weight in weights]).contiguous()
        given = [bias.detach().to(whole.dtype) for bias in biases if bias is not None]
        self.bias = torch.cat(given) if given else None
        self.packed = can_pack(whole.dtype) and whole.device.type == "cpu"
        self.weight = torch.ops.mkldnn._reorder_linear_weight(whole, HINT) if self.packed else whole

    def forward(self, x: torch.Tensor, add: torch.Tensor | None = None) -> torch.Tensor:
        """[..., in] to [..., out]; ``add`` is added, in the same pass over memory."""
        if not self.packed:
            found = nn.functional.linear(x, self.weight, self.bias)
            return found if add is None else found + add
        if add is None:
            return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")  # type: ignore[no-any-return]
        return torch.ops.mkldnn._linear_pointwise.binary(x, add, self.weight, self.bias, "add")  # type: ignore[no-any-return]


def packed(*layers: nn.Linear, dtype: torch.dtype | None = None) -> Packed:
    """Linear layers that read the same, as one; in another precision where one is named."""
    return Packed([layer.weight.to(dtype) for layer in layers], [layer.bias for layer in layers])


def pack(model: nn.Module) -> None:
    """Put packed layers in the place of a model's linear ones. It cannot be trained or saved any more."""
    from transformers.pytorch_utils import Conv1D

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, packed(child))
            elif type(child) is Conv1D:  # GPT-2's: the same with its weight turned
                setattr(parent, name, Packed([child.weight.T], [child.bias]))


@cache
def can_pack(dtype: torch.dtype) -> bool:
    """Whether this torch can; tried once, as its operators have no promise of staying."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    try:
        x, weight, add = torch.ones(2, 3, dtype=dtype), torch.ones(4, 3, dtype=dtype), torch.ones(2, 4, dtype=dtype)
        turned = torch.ops.mkldnn._reorder_linear_weight(weight, HINT)
        alone = torch.ops.mkldnn._linear_pointwise(x, turned, None, "none", [], "")
        both = torch.ops.mkldnn._linear_pointwise.binary(x, add, turned, None, "add")
        return bool((alone == 3).all() and (both == 4).all())
    except (AttributeError, RuntimeError):
        return False

"""Linear layers whose weights are kept in 4 or 8 bits, and multiplied in full precision.

bitsandbytes gives the codes. The product is ours: its own one fails on CPUs (0.50, a bias added in place), and its
int8 product rounds what comes in as well, so that a merged model would give other answers than were trained.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class FewBits(nn.Linear):
    """A frozen linear layer, its weight decoded for each product.

    Args:
        layer: whose place it takes.
        bits: 4: NF4 with its scales quantised, too (Dettmers et al. 2023, 3); 8: int8, a scale for each output.
        codec: ``bitsandbytes.functional``.
    """

    def __init__(self, layer: nn.Linear, bits: int, codec: Any) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features, self.codec = layer.in_features, layer.out_features, codec
        self.bits, self.bias = bits, layer.bias
        weight = layer.weight.detach().float()
        if bits == 4:
            codes, self.scales = codec.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
        else:
            codes, self.scales, _ = codec.int8_vectorwise_quant(weight.half())
        # T5 casts what it feeds a layer to the weight's type, but for int8.
        self.weight = nn.Parameter(codes.view(torch.int8), requires_grad=False)

    def _apply(self, fn: Any, recurse: bool = True) -> FewBits:
        """The scales go where the codes go: they are no tensors of the module."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.bits == 4:
            self.scales.to(self.weight.device)  # in place
        else:
            self.scales = self.scales.to(self.weight.device)
        return self

    def full(self) -> torch.Tensor:
        """The weight that the codes stand for, float32 [outputs, inputs]."""
        if self.bits == 4:
            decoded: torch.Tensor = self.codec.dequantize_4bit(self.weight.data.view(torch.uint8), self.scales)
        else:
            decoded = self.codec.int8_vectorwise_dequant(self.weight.data, self.scales)
        return decoded.float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., inputs] -> [..., outputs]."""
        kind = x.device.type
        if torch.is_autocast_enabled(kind):
            x = x.to(torch.get_autocast_dtype(kind))
        product: torch.Tensor = _Product.apply(x, self)  # type: ignore[no-untyped-call]
        return product if self.bias is None else product + self.bias.to(product.dtype)


class _Product(torch.autograd.Function):
    """``x Wᵀ``; the weight is decoded again on the way back, so that it is never kept."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: FewBits) -> torch.Tensor:
        ctx.layer = layer
        return functional.linear(x, layer.full().to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0] @ ctx.layer.full().to(gradients[0].dtype), None


def quantise(model: Any, names: list[str], bits: int, codec: Any) -> None:
    """Put quantised layers in the place of linear ones, named in full."""
    for name in names:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, FewBits(model.get_submodule(name), bits, codec))


def restored(model: Any) -> Any:
    """A model wrapped by peft, its base layers in full precision again, with the weights that the codes stand for."""
    for module in list(model.modules()):
        base = module._modules.get("base_layer")
        if isinstance(base, FewBits):
            made = nn.Linear(base.in_features, base.out_features, bias=False, device="meta")
            made.weight, made.bias = nn.Parameter(base.full()), base.bias
            module.base_layer = made
    return model

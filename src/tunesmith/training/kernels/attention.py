"""Attention for training on a CPU: plain products in the training precision, with dropout from random bytes.

PyTorch's flash kernel has a slow backward on CPUs, and its fallback draws dropout element by element; here the
three products and the softmax run in bf16 where training does, and only the probabilities are kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tunesmith.training.kernels.dropout import drop

NAME = "tunesmith"


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    position_bias: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention (Vaswani et al. 2017, eq. 1), as transformers calls it.

    Args:
        query, key, value: [batch, heads, length, width].
        attention_mask: additive or bool (False: not attended to), broadcastable to [batch, heads, length, length];
            None: nothing is masked.
        position_bias: of T5 and its kin, added to the scores like the mask.

    Returns:
        [batch, length, heads, width], and no weights.
    """
    batch, heads, length, width = query.shape
    key, value = _repeated(key, heads), _repeated(value, heads)
    keys = key.shape[2]
    with torch.autocast(query.device.type, enabled=False):
        scale = width**-0.5 if scaling is None else scaling
        scores = torch.bmm(
            (query * scale).reshape(batch * heads, length, width), key.reshape(batch * heads, keys, width).mT
        )
        for added in (position_bias, attention_mask):
            if added is not None:
                scores = scores.view(batch, heads, length, keys)
                if added.dtype == torch.bool:
                    scores = scores.masked_fill(~added, torch.finfo(scores.dtype).min)
                else:
                    scores = scores + added.to(scores.dtype)
                scores = scores.view(batch * heads, length, keys)
        weights = torch.softmax(scores, dim=-1)
        if dropout and module.training:
            weights = drop(weights, dropout)
        mixed = torch.bmm(weights, value.reshape(batch * heads, keys, width))
    return mixed.view(batch, heads, length, width).transpose(1, 2), None


def _repeated(states: torch.Tensor, heads: int) -> torch.Tensor:
    """Grouped-query models have fewer key heads than query heads."""
    groups = heads // states.shape[1]
    return states if groups == 1 else states.repeat_interleave(groups, dim=1)


def install(model: Any) -> str | None:
    """Let the model train with this attention; returns what it used before, None where it cannot be changed."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    before = getattr(model.config, "_attn_implementation", None)
    if before not in ("sdpa", "eager"):
        return None
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    try:
        model.set_attn_implementation(NAME)
    except (ValueError, AttributeError, NotImplementedError):
        return None
    return str(before)


def remove(model: Any, before: str | None) -> None:
    """Undo ``install``."""
    if before is not None:
        model.set_attn_implementation(before)

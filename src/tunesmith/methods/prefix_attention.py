"""Attention with a prefix, as transformers calls it."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.nn import functional

NAME = "tunesmith-prefix"
KEYS, VALUES = "prefix_keys", "prefix_values"


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    position_bias: torch.Tensor | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention over the module's prefix and the text. All [batch, heads, length, width of a head].

    The prefix is never masked, and has no place in the text: T5's bias for it is zero.
    """
    from transformers import AttentionInterface

    interface: Any = AttentionInterface
    plain = interface()["sdpa"]
    if not hasattr(module, KEYS):
        if position_bias is not None:
            options["position_bias"] = position_bias
        return plain(module, query, key, value, attention_mask, **options)  # type: ignore[no-any-return]
    length = getattr(module, KEYS).shape[0]
    key = torch.cat([_heads(getattr(module, KEYS), key), key], dim=2)
    value = torch.cat([_heads(getattr(module, VALUES), value), value], dim=2)
    if attention_mask is not None:
        attention_mask = functional.pad(attention_mask, (length, 0), value=attention_mask.dtype == torch.bool)
    if position_bias is not None:
        options["position_bias"] = functional.pad(position_bias, (length, 0))
    options["is_causal"] = False  # what may not be seen is masked
    return plain(module, query, key, value, attention_mask, **options)  # type: ignore[no-any-return]


def _heads(prefix: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[length, heads * width] -> [batch, heads, length, width]."""
    batch, heads, _, width = like.shape
    return prefix.to(like.dtype).view(-1, heads, width).transpose(0, 1).expand(batch, -1, -1, -1)


def put_before(module: Any, keys: torch.Tensor, values: torch.Tensor) -> None:
    """Give an attention its prefix, [length, heads * width] each: where training begins."""
    setattr(module, KEYS, nn.Parameter(keys.clone()))
    setattr(module, VALUES, nn.Parameter(values.clone()))


def made_of(model: Any, ids: torch.Tensor, names: set[str]) -> dict[str, torch.Tensor]:
    """What layers give out when the model reads some tokens: name -> [length, outputs].

    Args:
        ids: [1, length].
        names: of the layers, in full.
    """
    found: dict[str, torch.Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: found.__setitem__(name, output.detach()[0])
        )
        for name in names
    ]
    inner, training = model.base_model, model.training
    both = "decoder_input_ids" in inspect.signature(inner.forward).parameters
    try:
        with torch.no_grad():
            inner.eval()(input_ids=ids, **({"decoder_input_ids": ids} if both else {}))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return found


def split(keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values; of a layer that makes queries, too, its last two thirds."""
    if keys is values:
        _, keys, values = keys.chunk(3, dim=-1)
    return keys.contiguous(), values.contiguous()


def install(model: Any) -> None:
    """Let the model attend in this way, with masks that are always there for causal models."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    model.set_attn_implementation(NAME)

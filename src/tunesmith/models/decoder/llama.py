"""Llama's layers, and those of its family, with as few calls as they need.

A step of a small model computes a token in some milliseconds, and transformers' modules take as long again to be
called. Here a layer is four matrix products with packed weights and what is between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

from tunesmith.models.decoder.memory import Memory, Place
from tunesmith.models.decoder.packed import Packed, packed

FAMILY = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")
ROPES = ("default", "linear", "llama3", "yarn")
"""Rotations that are the same whatever the length of a text."""


@dataclass(frozen=True)
class _Layer:
    before: torch.Tensor
    read: Packed
    query_norm: torch.Tensor | None
    key_norm: torch.Tensor | None
    out: Packed
    between: torch.Tensor
    up: Packed
    down: Packed


class Llama:
    """A model of the family.

    Args:
        model: one that ``fits``. It is not changed, and not needed afterwards.
        memory: its keys and values.
        dtype: in which it computes.
    """

    def __init__(self, model: Any, memory: Memory, dtype: torch.dtype) -> None:
        config, inner = model.config, model.model
        attention = inner.layers[0].self_attn
        self._memory, self._size, self._eps = memory, attention.head_dim, config.rms_norm_eps
        self._heads, self._kept = config.num_attention_heads, config.num_key_value_heads
        self._scale = attention.scaling
        cast = _cast(dtype)
        self._embedding = cast(inner.embed_tokens.weight)
        self._norm, self._head = cast(inner.norm.weight), packed(model.lm_head, dtype=dtype)
        self._layers = [_layer(one, dtype) for one in inner.layers]
        places = torch.arange(memory.length, device=self._embedding.device)[None]
        cos, sin = (one[0].to(dtype) for one in inner.rotary_emb(inner.embed_tokens.weight[:1, None], places))
        half = self._size // 2
        # Turned by half, a head's second half comes first; it is that half which is taken away.
        self._cos, self._sin = cos, torch.cat([-sin[:, :half], sin[:, half:]], dim=-1)

    def logits(self, ids: torch.Tensor, place: Place) -> torch.Tensor:
        """See ``TorchNetwork``."""
        self._memory.go_to(place)
        rows, tokens = ids.shape
        positions = place.positions.flatten()
        turn = self._cos[positions][:, None], self._sin[positions][:, None]
        mask = None if place.starts else place.mask(self._embedding.dtype)
        x = nn.functional.embedding(ids.flatten(), self._embedding)
        for number, layer in enumerate(self._layers):
            y = rms_norm(x, layer.before.shape, layer.before, self._eps)
            queries, keys, values = self._read(layer, y, turn)
            shape = (rows, tokens, self._kept, self._size)
            known = self._memory.write(number, keys.reshape(shape), values.reshape(shape))
            x = layer.out(self._seen(queries, known, mask, rows, tokens), x)
            y = rms_norm(x, layer.between.shape, layer.between, self._eps)
            gate, up = layer.up(y).chunk(2, dim=-1)
            x = layer.down(silu(gate).mul_(up), x)
        last = x.view(rows, tokens, -1)[:, -1]
        return self._head(rms_norm(last, self._norm.shape, self._norm, self._eps))  # type: ignore[no-any-return]

    def _read(
        self, layer: _Layer, y: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries [tokens, heads, size], keys and values [tokens, kept heads, size]; the first two turned."""
        found = layer.read(y).view(len(y), -1, self._size)
        both, values = found[:, : -self._kept], found[:, -self._kept :]
        if layer.query_norm is not None and layer.key_norm is not None:
            queries = rms_norm(both[:, : self._heads], (self._size,), layer.query_norm, self._eps)
            keys = rms_norm(both[:, self._heads :], (self._size,), layer.key_norm, self._eps)
            both = torch.cat([queries, keys], dim=1)
        cos, sin = turn
        both = torch.addcmul(both * cos, both.roll(self._size // 2, -1), sin)
        return both[:, : self._heads], both[:, self._heads :], values

    def _seen(
        self,
        queries: torch.Tensor,
        known: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor | None,
        rows: int,
        tokens: int,
    ) -> torch.Tensor:
        """What the tokens take of those before them: [rows * tokens, heads * size]."""
        keys, values = known
        if tokens == 1:  # heads that read the same keys stand as so many tokens of one
            asked = queries.reshape(rows, self._kept, -1, self._size)
            found = scaled_dot_product_attention(asked, keys, values, attn_mask=mask, scale=self._scale)
            return found.reshape(rows, -1)
        asked = queries.reshape(rows, tokens, self._heads, self._size).transpose(1, 2)
        keys, values = (one.repeat_interleave(self._heads // self._kept, dim=1) for one in known)
        causal = mask is None
        found = scaled_dot_product_attention(asked, keys, values, attn_mask=mask, is_causal=causal, scale=self._scale)
        return found.transpose(1, 2).reshape(rows * tokens, -1)


def fits(model: Any) -> bool:
    """Whether a model is of the family, and its layers are as they were made."""
    config = model.config
    if type(model).__name__ not in FAMILY or config.rope_parameters.get("rope_type") not in ROPES:
        return False
    linear = [m for name, m in model.named_modules() if name.endswith(("_proj", "lm_head"))]
    acts = {type(layer.mlp.act_fn).__name__ for layer in model.model.layers}
    return acts <= {"SiLU", "SiLUActivation"} and all(type(one) is nn.Linear for one in linear)


def _layer(layer: Any, dtype: torch.dtype) -> _Layer:
    cast, attention, mlp = _cast(dtype), layer.self_attn, layer.mlp
    norms = [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
    query, key = (None if norm is None else cast(norm.weight) for norm in norms)
    return _Layer(
        cast(layer.input_layernorm.weight),
        packed(attention.q_proj, attention.k_proj, attention.v_proj, dtype=dtype),
        query,
        key,
        packed(attention.o_proj, dtype=dtype),
        cast(layer.post_attention_layernorm.weight),
        packed(mlp.gate_proj, mlp.up_proj, dtype=dtype),
        packed(mlp.down_proj, dtype=dtype),
    )


def _cast(dtype: torch.dtype) -> Any:
    # A copy: a view would keep the whole file's memory, of which all weights may be parts.
    return lambda weight: weight.detach().to(dtype, copy=True)

"""Layers of Llama and its kin for training on a CPU, whole or by LoRA: each half of a layer is one node.

Evaluation, caches, layers changed otherwise (adapters, DoRA, dropout on the updates) go the layer's own way.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from tunesmith.training.kernels.linears import Linears
from tunesmith.training.kernels.linears import fits as fits_linear
from tunesmith.training.kernels.llama_halves import AttentionHalf, Facts, FeedForwardHalf

LAYERS = {"LlamaDecoderLayer", "MistralDecoderLayer", "Qwen2DecoderLayer"}
NORMS = {"LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm"}
_ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
_FEED_FORWARD = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
_OWN = ("self_attn", "mlp", "input_layernorm", "post_attention_layernorm")


class Halves:
    """What the nodes of a layer need, gathered once."""

    def __init__(self, layer: Any) -> None:
        own = layer.self_attn
        *read, out = [layer.get_submodule(name) for name in _ATTENTION]
        self.attention = (Linears(read), Linears([out]), layer.input_layernorm, own.head_dim, own.scaling)
        *read, out = [layer.get_submodule(name) for name in _FEED_FORWARD]
        self.feed_forward = (Linears(read), Linears([out]), layer.post_attention_layernorm)


def forward(layer: Any, halves: Halves, hidden_states: torch.Tensor, *others: Any, **named: Any) -> Any:
    """A layer's forward: the two halves where it trains in the usual way. [rows, length, width], in and out."""
    mask = named.get("attention_mask")
    if others or not _usual(layer, hidden_states, mask, named):
        return type(layer).forward(layer, hidden_states, *others, **named)
    precision = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    cos, sin = named["position_embeddings"]
    compute = partial(_both, halves, precision, cos, sin, mask)
    if getattr(layer, "gradient_checkpointing", False):
        return layer._gradient_checkpointing_func(compute, hidden_states)
    return compute(hidden_states)


def _both(halves: Halves, precision: torch.dtype, cos: Any, sin: Any, mask: Any, x: torch.Tensor) -> Any:
    inner, outer, norm, width, scale = halves.attention
    facts = Facts(inner, outer, norm.variance_epsilon, precision, width, scale)
    with torch.autocast("cpu", enabled=False):
        x = AttentionHalf.apply(  # type: ignore[no-untyped-call]
            x, cos, sin, mask, facts, norm.weight, *inner.parameters, *outer.parameters
        )
        inner, outer, norm = halves.feed_forward
        facts = Facts(inner, outer, norm.variance_epsilon, precision)
        return FeedForwardHalf.apply(  # type: ignore[no-untyped-call]
            x, facts, norm.weight, *inner.parameters, *outer.parameters
        )


def _usual(layer: Any, x: torch.Tensor, mask: Any, named: dict[str, Any]) -> bool:
    trains = layer.training and torch.is_grad_enabled() and x.device.type == "cpu" and x.dtype == torch.float32
    masked = mask is None or (isinstance(mask, torch.Tensor) and mask.ndim == 4)
    return trains and masked and named.get("past_key_values") is None and not named.get("output_attentions")


def fits(layer: Any, config: Any) -> bool:
    """Whether a layer computes what the two halves do, with all of its parts in their usual form."""
    return (
        type(layer).__name__ in LAYERS
        and set(dict(layer.named_children())) == set(_OWN)
        and all(type(layer.get_submodule(name)).__name__ in NORMS for name in _OWN[2:])
        and all(fits_linear(layer.get_submodule(name)) for name in (*_ATTENTION, *_FEED_FORWARD))
        and _alike(layer, _ATTENTION[:3])
        and _alike(layer, _FEED_FORWARD[:2])
        and _nothing_else(layer)
        and config.hidden_act == "silu"
        and not getattr(layer.self_attn, "attention_dropout", 0.0)
        and getattr(layer.self_attn, "sliding_window", None) is None
    )


def _nothing_else(layer: Any) -> bool:
    """Whether every weight in the layer is one that the halves compute with: a prefix, an adapter is not."""
    halves = Halves(layer)
    groups = (*halves.attention[:2], *halves.feed_forward[:2])
    known = {id(p) for group in groups for p in group.parameters}
    known |= {id(layer.get_submodule(name).weight) for name in _OWN[2:]}
    return all(id(p) in known for p in layer.parameters()) and not any("forward" in vars(m) for m in layer.modules())


def _alike(layer: Any, names: tuple[str, ...]) -> bool:
    """Whether layers that become one matrix all have biases, or none; and are all trained, or none."""
    bases = [getattr(one, "base_layer", one) for one in (layer.get_submodule(name) for name in names)]
    return len({(base.bias is None, base.weight.requires_grad) for base in bases}) == 1


def install(model: Any) -> list[nn.Module]:
    """Let the model's layers train this way, where they fit; returns them."""
    layers = [module for module in model.modules() if fits(module, model.config)]
    for layer in layers:
        layer.forward = partial(forward, layer, Halves(layer))
    return layers


def remove(layers: list[Any]) -> None:
    """Undo ``install``."""
    for layer in layers:
        del layer.forward

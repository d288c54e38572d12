"""BERT layers for training on a CPU, with their backward written out.

Autocast casts every weight and gradient by itself, and autograd keeps a node for each small operation; on short
texts that is half of a step. Here each half of a layer (attention, feed-forward) is one node. Evaluation, frozen
layers, layers changed by peft, and whatever else is asked of a layer go the layer's own way.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from tunesmith.training.kernels import bert_attention, bert_feed_forward
from tunesmith.training.kernels.dropout import threshold

LAYERS = {"BertLayer", "RobertaLayer", "XLMRobertaLayer", "CamembertLayer", "ElectraLayer"}
_ATTENTION = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
)
_FEED_FORWARD = ("intermediate.dense", "output.dense", "output.LayerNorm")


Parts = tuple[list[nn.Module], list[nn.Module]]
"""The modules with parameters of each half, in the order of its node's arguments."""


def forward(
    layer: Any, parts: Parts, hidden_states: torch.Tensor, attention_mask: Any = None, *others: Any, **named: Any
) -> Any:
    """A layer's forward: the two halves where it trains in the usual way. [batch, length, width], in and out."""
    if not _usual(layer, hidden_states, attention_mask, others, named):
        return type(layer).forward(layer, hidden_states, attention_mask, *others, **named)
    precision = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
    own, first, second = layer.attention.self, layer.attention.output, layer.output
    of_attention = bert_attention.Facts(
        own.num_attention_heads, threshold(own.dropout.p), threshold(first.dropout.p), first.LayerNorm.eps, precision
    )
    of_feed_forward = bert_feed_forward.Facts(threshold(second.dropout.p), second.LayerNorm.eps, precision)
    with torch.autocast("cpu", enabled=False):
        x = bert_attention.AttentionHalf.apply(  # type: ignore[no-untyped-call]
            hidden_states, attention_mask, of_attention, *_parameters(parts[0])
        )
        return bert_feed_forward.FeedForwardHalf.apply(  # type: ignore[no-untyped-call]
            x, of_feed_forward, *_parameters(parts[1])
        )


def _usual(layer: Any, x: torch.Tensor, mask: Any, others: tuple[Any, ...], named: dict[str, Any]) -> bool:
    if getattr(layer, "gradient_checkpointing", False):
        return False  # transformers computes it again by the layer's own forward
    trains = layer.training and torch.is_grad_enabled() and x.device.type == "cpu" and x.dtype == torch.float32
    plain = all(value is None for value in (*others, named.get("past_key_values"), named.get("encoder_hidden_states")))
    return trains and plain and not named.get("output_attentions") and (mask is None or mask.is_floating_point())


def _parameters(modules: list[Any]) -> list[torch.Tensor]:
    return [parameter for module in modules for parameter in (module.weight, module.bias)]


def fits(layer: Any, config: Any) -> bool:
    """Whether a layer computes what the two halves do: its plain parts, all trained, with GELU, in an encoder."""
    named = dict(layer.named_parameters())
    return (
        type(layer).__name__ in LAYERS
        and set(named) == {f"{part}.{kind}" for part in (*_ATTENTION, *_FEED_FORWARD) for kind in ("weight", "bias")}
        and all(p.requires_grad and p.dtype == torch.float32 for p in named.values())
        and config.hidden_act == "gelu"
        and not layer.is_decoder
        and not layer.chunk_size_feed_forward
        and getattr(config, "position_embedding_type", None) in (None, "absolute")
    )


def install(model: Any) -> list[nn.Module]:
    """Let the model's layers train this way, where they fit; returns them. Masks must be additive: see attention."""
    layers = [module for module in model.modules() if fits(module, model.config)]
    for layer in layers:
        attention, feed_forward = ([layer.get_submodule(n) for n in names] for names in (_ATTENTION, _FEED_FORWARD))
        layer.forward = partial(forward, layer, (attention, feed_forward))
    return layers


def remove(layers: list[Any]) -> None:
    """Undo ``install``."""
    for layer in layers:
        del layer.forward

"""The linear maps of an encoder's layers by their meaning, whatever the family calls them; and fewer rows of them.

BERT and what is built like it (RoBERTa, XLM-R, CamemBERT, ELECTRA), and DistilBERT. Every family's attention counts
its heads from the width that it is given, so that a layer with fewer heads or neurons computes as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tunesmith.core.errors import ModelError
from tunesmith.models.heads import mean

FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert")
"""``model_type`` of the configurations whose layers are known here."""


@dataclass(frozen=True)
class EncoderLayer:
    """One layer: attention, then feed-forward.

    Args:
        module: the layer.
        attention: the module that counts its heads.
        query, key, value: [heads * size, width].
        out: of attention, [width, heads * size].
        after_out: normalises what ``out`` gives and what attention read, added up.
        up: [neurons, width].
        down: [width, neurons].
        after_down: the same after ``down``.
    """

    module: nn.Module
    attention: Any
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    out: nn.Linear
    after_out: nn.Module
    up: nn.Linear
    down: nn.Linear
    after_down: nn.Module

    @property
    def size(self) -> int:
        """Of a head."""
        return int(self.attention.attention_head_size)

    @property
    def heads(self) -> int:
        """How many there are."""
        return self.value.out_features // self.size


def refusal(model_type: str) -> str | None:
    """Why the layers of a kind of model are not known, in words; None where they are."""
    if model_type in FAMILIES:
        return None
    return f"the layers of {model_type} are not known; those of {', '.join(FAMILIES)} are"


def layer_list(model: Any) -> nn.ModuleList:
    """The model's layers as they stand in it, a mean layer last.

    Raises:
        ModelError: they are not where they are in the families that are known.
    """
    if why := refusal(model.config.model_type):
        raise ModelError(f"{type(model).__name__} cannot be pruned: {why}.", "Take a model of BERT's kind.")
    base = model.base_model
    layers: nn.ModuleList = (base.transformer if hasattr(base, "transformer") else base.encoder).layer
    return layers


def encoder_layers(model: Any, *, with_mean: bool = False) -> list[EncoderLayer]:
    """The model's layers; one that stands for mean pooling is none of its own (see ``heads/mean.py``)."""
    own = [layer for layer in layer_list(model) if not isinstance(layer, mean.MeanLayer)]
    return [_parts(layer) for layer in own if with_mean or not is_mean(layer)]


def is_mean(layer: Any) -> bool:
    """Whether a layer stands for mean pooling."""
    return isinstance(layer, mean.MeanLayer) or (hasattr(layer, "intermediate") and mean.is_mean(layer))


def width_key(config: Any) -> str:
    """What the configuration calls the width of the feed-forward part."""
    return "hidden_dim" if config.model_type == "distilbert" else "intermediate_size"


def head_places(layer: EncoderLayer, heads: Sequence[int]) -> torch.Tensor:
    """The places of some heads among the outputs of query, key and value: [heads * size]."""
    return torch.tensor([h * layer.size + i for h in heads for i in range(layer.size)], dtype=torch.long)


def keep_rows(linear: nn.Linear, kept: torch.Tensor) -> None:
    """Leave only some outputs, in place."""
    kept = kept.to(linear.weight.device)
    linear.weight = _like(linear.weight, linear.weight.detach()[kept])
    if linear.bias is not None:
        linear.bias = _like(linear.bias, linear.bias.detach()[kept])
    linear.out_features = len(kept)


def keep_columns(linear: nn.Linear, kept: torch.Tensor) -> None:
    """Leave only some inputs, in place."""
    linear.weight = _like(linear.weight, linear.weight.detach()[:, kept.to(linear.weight.device)])
    linear.in_features = len(kept)


def _like(old: torch.Tensor, values: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(values.clone(), requires_grad=old.requires_grad)


def _parts(layer: Any) -> EncoderLayer:
    if hasattr(layer, "ffn"):
        own, wide = layer.attention, layer.ffn
        return EncoderLayer(
            layer, own, own.q_lin, own.k_lin, own.v_lin, own.out_lin, layer.sa_layer_norm, wide.lin1, wide.lin2,
            layer.output_layer_norm,
        )  # fmt: skip
    own, out = layer.attention.self, layer.attention.output
    return EncoderLayer(
        layer, own, own.query, own.key, own.value, out.dense, out.LayerNorm, layer.intermediate.dense,
        layer.output.dense, layer.output.LayerNorm,
    )  # fmt: skip

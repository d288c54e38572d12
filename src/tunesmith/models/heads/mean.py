"""Mean pooling written as one more encoder layer, so that every reader of the model computes it.

Sentence encoders make one vector of a text by averaging its tokens; the classification heads of transformers read
the first token. A layer whose queries are zero attends to all tokens alike, so with identity values its attention
*is* the mean. The residual connection adds the first token to it; scaled up by ``GAIN`` the mean drowns that to
1 part in 4,096, and the layer norm takes the scale away again. The feed-forward part is zero::

    x = LayerNorm(GAIN * mean(h) + h[0])

``transformers.pipeline`` and ONNX exporters run it as any layer. Here ``MeanLayer`` takes its place and computes
the same formula directly, for the first token only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

GAIN = 4096.0
POOLER_SCALE = 0.5
"""The pooler starts as ``tanh(0.5 x)``: close to linear on normalised vectors, and measured better than 0.3 or 1."""


def can_hold(model: Any) -> bool:
    """Whether the model's layers are BERT's: attention and feed-forward, each followed by residual and norm."""
    layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers):
        return False
    wanted = ("attention.self.query", "attention.output.LayerNorm", "intermediate.dense", "output.LayerNorm")
    names = {name for name, _ in layers[0].named_modules()}
    pre_norm = any(name.endswith(("layernorm_before", "LayerNorm_before")) for name in names)
    return all(name in names for name in wanted) and not pre_norm


def append(model: Any) -> None:
    """Add the layer on top of the model's own, frozen, and count it in the config."""
    encoder = model.base_model.encoder
    config = model.config
    layer = type(encoder.layer[0])(config, layer_idx=len(encoder.layer))
    _become_mean(layer)
    encoder.layer.append(layer.train(encoder.training))
    config.num_hidden_layers = len(encoder.layer)
    pooler = getattr(model.base_model, "pooler", None)
    if pooler is not None:
        with torch.no_grad():
            pooler.dense.weight.copy_(torch.eye(config.hidden_size) * POOLER_SCALE)
            pooler.dense.bias.zero_()


def take_off(model: Any) -> None:
    """Undo ``append``."""
    encoder = model.base_model.encoder
    del encoder.layer[-1]
    model.config.num_hidden_layers = len(encoder.layer)


def _become_mean(layer: Any) -> None:
    identity = torch.eye(layer.attention.self.value.weight.shape[0])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.attention.self.value.weight.copy_(identity)
        layer.attention.output.dense.weight.copy_(identity * GAIN)
        layer.attention.output.LayerNorm.weight.fill_(1.0)
        layer.output.LayerNorm.weight.fill_(1.0)
    layer.requires_grad_(False)


def is_mean(layer: Any) -> bool:
    """Whether a layer is one that ``append`` made, judged by its weights."""
    attention = getattr(layer, "attention", None)
    if attention is None or not hasattr(attention, "self"):
        return False
    size = attention.self.value.weight.shape[0]
    return (
        not attention.self.query.weight.any()
        and not layer.output.dense.weight.any()
        and torch.equal(
            attention.output.dense.weight, torch.eye(size, device=attention.self.value.weight.device) * GAIN
        )
    )


def has_mean(model: Any) -> bool:
    """Whether the model averages its tokens in an appended layer."""
    layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    return isinstance(layers, nn.ModuleList) and len(layers) > 0 and is_mean(layers[-1])


class MeanLayer(nn.Module):
    """The same function as the appended layer, for the first token: [batch, length, width] -> [batch, 1, width].

    Args:
        layer: the layer that it stands for; kept, so that ``restore`` can put it back.
    """

    def __init__(self, layer: nn.Module, epsilon: float) -> None:
        super().__init__()
        self.layer = layer
        self.epsilon = epsilon

    def forward(
        self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: Any, **__: Any
    ) -> Any:
        """attention_mask: as the layers get it, additive or boolean, [batch, 1, length or 1, length]."""
        with torch.autocast(hidden_states.device.type, enabled=False):
            states = hidden_states.float()
            if attention_mask is None:
                mean = states.mean(1)
            else:
                last = attention_mask[:, 0, -1]
                kept = (last if last.dtype == torch.bool else last == 0).to(states.dtype)
                mean = torch.einsum("bl,blw->bw", kept, states) / kept.sum(-1, keepdim=True)
            once = functional.layer_norm(GAIN * mean + states[:, 0], mean.shape[-1:], eps=self.epsilon)
            return functional.layer_norm(once, mean.shape[-1:], eps=self.epsilon).unsqueeze(1)


def shorten(model: Any) -> None:
    """Compute the appended layer directly, where the model has one."""
    if has_mean(model):
        layers = model.base_model.encoder.layer
        layers[-1] = MeanLayer(layers[-1], model.config.layer_norm_eps)


def restore(model: Any) -> None:
    """Undo ``shorten``, before the model is saved."""
    layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    if isinstance(layers, nn.ModuleList) and len(layers) and isinstance(layers[-1], MeanLayer):
        layers[-1] = layers[-1].layer


@contextmanager
def shortened(model: Any) -> Iterator[None]:
    """``shorten`` for the time of the block."""
    shorten(model)
    try:
        yield
    finally:
        restore(model)

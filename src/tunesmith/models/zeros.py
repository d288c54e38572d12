"""Heads and neurons that are zero in the file are left out when the model computes.

A plain folder of transformers holds one number of heads and one width for all layers (BERT's and DistilBERT's
configurations refuse a number of heads that does not divide the width). So heads that are pruned are *zero* there,
and everyone's answers are right; who wants to be quick takes them out after loading, by ``leave_out_zeros``. The
result computes in torch and goes into an ONNX export; it is never saved as a folder.
"""

from __future__ import annotations

from typing import Any

import torch

from tunesmith.models.encoder_layers import EncoderLayer, encoder_layers, head_places, keep_columns, keep_rows, refusal


def leave_out_zeros(model: Any) -> int:
    """Take out what does nothing, in place: heads and neurons whose way out is zero. The answers stay.

    Returns:
        How many weights are gone; 0 for models whose layers are not known.
    """
    if refusal(getattr(model.config, "model_type", "")):
        return 0
    before = sum(p.numel() for p in model.parameters())
    for layer in encoder_layers(model, with_mean=True):
        _heads(layer)
        _neurons(layer)
    return int(before - sum(p.numel() for p in model.parameters()))


def living_heads(layer: EncoderLayer) -> list[int]:
    """Heads that something comes out of."""
    by_head = layer.out.weight.detach().view(layer.out.out_features, layer.heads, layer.size)
    alive: list[int] = by_head.ne(0).any(-1).any(0).nonzero().flatten().tolist()
    return alive


def _heads(layer: EncoderLayer) -> None:
    alive = living_heads(layer) or [0]
    if len(alive) == layer.heads:
        return
    places = head_places(layer, alive)
    for linear in (layer.query, layer.key, layer.value):
        keep_rows(linear, places)
    keep_columns(layer.out, places)
    for name in ("num_attention_heads", "n_heads"):
        if hasattr(layer.attention, name):
            setattr(layer.attention, name, len(alive))


def _neurons(layer: EncoderLayer) -> None:
    alive = layer.down.weight.detach().ne(0).any(0).nonzero().flatten()
    if len(alive) < layer.down.in_features:
        alive = alive if len(alive) else torch.zeros(1, dtype=torch.long)
        keep_rows(layer.up, alive)
        keep_columns(layer.down, alive)

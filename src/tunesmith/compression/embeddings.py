"""A model's table of pieces with only some of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from tunesmith.core.errors import ModelError


def named_ids(model: Any) -> set[int]:
    """Ids that the model's configuration names (padding, start, end), and those that must not get another number.

    RoBERTa counts its positions from the padding's id, so that there every id up to it stays where it is.
    """
    config = model.config
    named = {i for value in _ids(config).values() for i in (value if isinstance(value, list) else [value])}
    table = model.get_input_embeddings()
    others = [m for m in model.modules() if isinstance(m, nn.Embedding) and m is not table]
    for other in others:
        if other.padding_idx is not None:
            named |= set(range(other.padding_idx + 1))
    return {i for i in named if 0 <= i < table.num_embeddings}


def gather(model: Any, kept: Sequence[int]) -> int:
    """Keep these rows of the model's table, in this order; a table of outputs that is tied to it stays tied.

    Args:
        kept: old ids; the new id is the place among them.

    Returns:
        Bytes that are saved.

    Raises:
        ModelError: the model's outputs are pieces with a bias each, of which not every kind can be gathered.
    """
    table, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    if outputs is not None and getattr(outputs, "bias", None) is not None:
        raise ModelError(
            f"{type(model).__name__} predicts pieces, with a bias for each.", "Trim the vocabulary after it is tuned."
        )
    new = {old: i for i, old in enumerate(kept)}
    before = sum(p.numel() * p.element_size() for p in model.parameters())
    index = torch.tensor(list(kept), device=table.weight.device)
    fewer = nn.Embedding(
        len(kept),
        table.embedding_dim,
        padding_idx=new.get(table.padding_idx) if table.padding_idx is not None else None,
        _weight=table.weight.detach()[index].clone(),
    )
    fewer.weight.requires_grad_(table.weight.requires_grad)
    tied = outputs is not None and outputs.weight is table.weight
    model.set_input_embeddings(fewer)
    if outputs is not None:
        head = nn.Linear(outputs.in_features, len(kept), bias=False, dtype=table.weight.dtype)
        head.weight = fewer.weight if tied else nn.Parameter(outputs.weight.detach()[index].clone())
        model.set_output_embeddings(head)
    _renumber(model, new)
    after = sum(p.numel() * p.element_size() for p in model.parameters())
    return int(before - after)


def _ids(config: Any) -> dict[str, int | list[int]]:
    found = {name: value for name, value in config.to_dict().items() if name.endswith("_token_id")}
    return {name: value for name, value in found.items() if isinstance(value, int | list) and value != []}


def _renumber(model: Any, new: Mapping[int, int]) -> None:
    model.config.vocab_size = len(new)
    for config in (model.config, getattr(model, "generation_config", None)):
        for name, value in _ids(config).items() if config is not None else ():
            ids = [new[i] for i in value if i in new] if isinstance(value, list) else new.get(value)
            setattr(config, name, ids)

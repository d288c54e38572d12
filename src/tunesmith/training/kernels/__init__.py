"""What makes a step on a CPU fast. Each file replaces one slow part of a model by an equal and faster one.

They are put in for the time of training and taken out before anything is saved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


@contextmanager
def fast_training(model: nn.Module, used: torch.Tensor | None, device: str) -> Iterator[None]:
    """The model with its fast parts in place, for the time of the block.

    Args:
        model: a transformers model, or one wrapped by peft.
        used: ids of all tokens in the training text; None: unknown.
        device: a GPU needs little of it.
    """
    from tunesmith.models.heads import mean

    transformer = plain(model)
    on_cpu = device.split(":")[0] == "cpu"
    short = mean.shortened(transformer) if transformer is not None else nullcontext()
    with short, _fast_on_cpu(model, transformer, used) if on_cpu else nullcontext():
        yield


@contextmanager
def _fast_on_cpu(model: nn.Module, transformer: Any, used: torch.Tensor | None) -> Iterator[None]:
    from tunesmith.training.kernels import attention, dropout, embedding, layer, llama_layer, memory

    memory.keep_freed_memory()
    compact = embedding.install(transformer, used) if used is not None and transformer is not None else None
    causal = llama_layer.install(transformer) if transformer is not None else []
    before = attention.install(transformer) if transformer is not None and not causal else None
    layers = layer.install(transformer) if before is not None else []
    dropout.install(model)
    try:
        yield
    finally:
        dropout.remove(model)
        layer.remove(layers)
        llama_layer.remove(causal)
        if transformer is not None:
            attention.remove(transformer, before)
            embedding.remove(transformer, compact)


def plain(model: Any) -> Any:
    """The transformers model inside what peft wraps; None where there is none."""
    from transformers import PreTrainedModel

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return inner if isinstance(inner, PreTrainedModel) else None

"""Which layers stay, and the model with these alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.nn import functional

from tunesmith.compression.calibration import Loss, Tokens, as_it_answers, hooked, passes
from tunesmith.core.contracts import Batch
from tunesmith.models.encoder_layers import encoder_layers, is_mean, layer_list


def evenly(total: int, kept: int) -> list[int]:
    """The first, the last, and the others evenly between: every other layer (Sanh et al. 2019).

    For 12 layers this is what Shleifer & Rush 2020 copy into 6 and into 3; into one it is the first.

    >>> evenly(12, 6), evenly(12, 3), evenly(6, 3), evenly(12, 1)
    ([0, 2, 4, 7, 9, 11], [0, 6, 11], [0, 2, 5], [0])
    """
    return [0] if kept == 1 else [round(i * (total - 1) / (kept - 1)) for i in range(kept)]


def most_effect(effects: Sequence[float], kept: int) -> list[int]:
    """Those that change what they read most, in their order.

    >>> most_effect([0.5, 0.1, 0.3, 0.2], 2)
    [0, 2]
    """
    return sorted(sorted(range(len(effects)), key=lambda i: -effects[i])[:kept])


def effects(model: Any, batches: Sequence[Batch], loss: Loss) -> list[float]:
    """How far each layer turns its tokens: ``1 - mean cos(input, output)``, "block influence" (Men et al. 2024, eq. 1).

    It reads no label; ``loss`` is only how the model is called.
    """
    modules = [layer.module for layer in encoder_layers(model)]
    sums, counts = [0.0] * len(modules), [0] * len(modules)
    tokens = Tokens(model)

    def add(i: int) -> Any:
        def read(module: Any, args: Any, named: Any, output: Any) -> None:
            before = args[0] if args else named["hidden_states"]
            after = output[0] if isinstance(output, tuple) else output
            near = functional.cosine_similarity(tokens.of(before).float(), tokens.of(after).float(), dim=-1)
            sums[i] += float((1 - near).sum())
            counts[i] += len(near)

        return read

    hooks = [module.register_forward_hook(add(i), with_kwargs=True) for i, module in enumerate(modules)]
    with as_it_answers(model), hooked([tokens.hook, *hooks]):
        passes(model, batches, loss)
    return [total / max(1, count) for total, count in zip(sums, counts, strict=True)]


def keep_layers(model: Any, kept: Sequence[int]) -> None:
    """Leave only these of the model's own layers, in place; a mean layer stays on top."""
    layers = layer_list(model)
    own = [layer for layer in layers if not is_mean(layer)]
    left = [*(own[i] for i in kept), *(layer for layer in layers if is_mean(layer))]
    for i, layer in enumerate(left):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                vars(module)["layer_idx"] = i
    base = model.base_model
    holder = base.transformer if hasattr(base, "transformer") else base.encoder
    holder.layer = nn.ModuleList(left)
    if hasattr(holder, "n_layers"):
        holder.n_layers = len(left)
    model.config.num_hidden_layers = len(left)

"""AdamW with layer-wise learning rates, and schedules."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn

Schedule = Literal["linear", "cosine", "constant"]
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")
_HEAD = re.compile(r"(^|\.)(classifier|classification_head|score|qa_outputs|lm_head|pre_classifier|summary)\b")


@dataclass(frozen=True)
class OptimizerSettings:
    """What ``adamw`` needs to know.

    Args:
        layer_decay: factor for each layer further from the head; 1.0: one rate for all.
        head_learning_rate: for the head; None: ``learning_rate``.
        factors: part of a parameter's name -> factor on its rate, beside all others.
    """

    learning_rate: float
    weight_decay: float = 0.01
    layer_decay: float = 1.0
    head_learning_rate: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    factors: Mapping[str, float] = field(default_factory=dict)


def depth(name: str, layers: int) -> int:
    """How far a parameter stands from the input: 0 embeddings, 1..layers, layers + 1 the head.

    >>> depth("bert.encoder.layer.3.output.dense.weight", 6), depth("classifier.bias", 6)
    (4, 7)
    """
    found = _LAYER.search(name)
    if found:
        return int(found[1]) + 1
    if _HEAD.search(name):
        return layers + 1
    return layers if "pooler" in name else 0  # a pooler comes with the weights: it moves as the top layer does


def parameter_groups(model: nn.Module, settings: OptimizerSettings) -> list[dict[str, object]]:
    """Trainable parameters by learning rate and weight decay.

    Layer-wise decay is ULMFiT's (Howard & Ruder 2018, 3.2). Biases, norms and embeddings are not decayed:
    the first two by custom, embeddings because a row without a gradient must stay where it is.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    layers = 1 + max((int(m[1]) for name, _ in named if (m := _LAYER.search(name))), default=-1)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        place = depth(name, layers)
        if place == layers + 1:
            rate = settings.head_learning_rate or settings.learning_rate
        else:
            rate = settings.learning_rate * settings.layer_decay ** (layers - place)
        rate *= math.prod(factor for part, factor in settings.factors.items() if part in name)
        decayed = parameter.ndim > 1 and "embedding" not in name
        groups.setdefault((rate, settings.weight_decay if decayed else 0.0), []).append(parameter)
    return [{"params": group, "lr": rate, "weight_decay": decay} for (rate, decay), group in groups.items()]


def adamw(model: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019), fused where the device has it: one pass over memory a step."""
    import torch

    groups = parameter_groups(model, settings)
    parameters = [p for group in groups for p in group["params"]]  # type: ignore[attr-defined]
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, fused=fused)


def factor(step: int, total: int, warmup: float, schedule: Schedule) -> float:
    """The share of the full learning rate at a step (counted from 0)."""
    warm = math.ceil(total * warmup)
    if step < warm:
        return (step + 1) / warm
    if schedule == "constant":
        return 1.0
    left = max(0.0, (total - step) / max(1, total - warm))
    return left if schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))


def clip(
    parameters: list[nn.Parameter], largest: float, optimizer: torch.optim.Optimizer | None = None
) -> torch.Tensor:
    """Bound the gradients' norm for the next step (Pascanu et al. 2013); returns the norm before.

    Unlike torch's, it leaves gradients alone that are small enough.

    Args:
        parameters: all that the optimizer moves.
        largest: norm; 0: no bound.
        optimizer: if it is fused, it divides by ``grad_scale`` in its one pass over memory, which saves one here.
            None: the gradients are scaled in place.
    """
    import torch

    norm = total_norm([p.grad for p in parameters if p.grad is not None])
    too_large = bool(largest) and float(norm) > largest
    if optimizer is not None and optimizer.param_groups[0].get("fused"):
        optimizer.grad_scale = norm / largest if too_large else None  # type: ignore[attr-defined]
    elif too_large:
        torch.nn.utils.clip_grads_with_norm_(parameters, largest, norm)
    return norm


def total_norm(gradients: list[torch.Tensor]) -> torch.Tensor:
    """The 2-norm of all together, []. On CPUs products of whole vectors take half the time of torch's norms."""
    import torch

    if any(g.device.type != "cpu" or g.dtype != torch.float32 or not g.is_contiguous() for g in gradients):
        return torch.nn.utils.get_total_norm(gradients)
    squares = [torch.dot(flat, flat) for flat in (g.view(-1) for g in gradients)]
    return torch.stack(squares).sum().sqrt() if squares else torch.tensor(0.0)

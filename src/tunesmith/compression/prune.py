"""Structured pruning of encoders: fewer layers, narrower feed-forward parts, fewer heads; and what is left is plain.

What a folder of transformers can hold decides what is cut:

- *Layers*: the configuration says how many.
- *Feed-forward*: one width for all layers, which the configuration says; each layer chooses its own neurons.
- *Heads*: the configuration's number must divide the model's width, the head's size is their quotient, and it is one
  for all layers. So fewer heads of the same size cannot be held. They are set to zero instead, which answers right
  everywhere, and stays zero in training: a head whose values and whose way out are both zero gets no gradient. A
  runtime takes them out after loading (``models/zeros.py``), and is as quick as if they had never been.

With ``refit`` every layer that stays is fitted to what the whole model gave (``refit.py``). Where layers above it go,
it takes the normalisation of the last of them and is fitted to its sums, so that the next one that stays reads nearly
what it has always read.

A layer that stands for mean pooling (``models/heads/mean.py``) is neither counted nor changed; its feed-forward part,
zero anyway, gets the width of the others. All functions change the model in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from tunesmith.compression.calibration import Loss, as_it_answers
from tunesmith.compression.importance import Kind, comparable, importance
from tunesmith.compression.layers import effects, evenly, keep_layers, most_effect
from tunesmith.compression.refit import calls_of, refit, sums_at
from tunesmith.core.contracts import Batch
from tunesmith.core.errors import RecipeError
from tunesmith.models.encoder_layers import (
    EncoderLayer,
    encoder_layers,
    head_places,
    keep_columns,
    keep_rows,
    width_key,
)
from tunesmith.models.zeros import living_heads

Which = Literal["even", "effect", "bottom"]
Count = int | float
"""How many, or the share that is kept."""
STEP = 8
"""Widths are multiples of it: matrix products of odd widths are slower."""


@dataclass(frozen=True)
class Cut:
    """What is cut off.

    Args:
        layers: how many stay, the share that does, or which ones.
        which: of ``layers``: "even", "bottom" (the lowest, Sajjad et al. 2020), "effect" (those that do most).
        feed_forward: neurons that stay in each layer, or their share.
        heads: heads that stay in the whole model, or their share; every layer keeps one at least.
        importance: of heads and neurons: "fisher" or "taylor".
        refit: make up for what is cut off, by least squares.
    """

    layers: Count | Sequence[int] | None = None
    which: Which = "even"
    feed_forward: Count | None = None
    heads: Count | None = None
    importance: Kind = "fisher"
    refit: bool = True


@dataclass
class Pruned:
    """What was cut off.

    Args:
        layers: which stay, by their old numbers.
        heads: how many stay in each of these layers.
        neurons: of each of these layers.
        before, after: weights, zeros counted.
    """

    layers: list[int]
    heads: list[int]
    neurons: int
    before: int
    after: int
    effects: list[float] = field(default_factory=list)


def prune(model: Any, cut: Cut, batches: Sequence[Batch], loss: Loss) -> Pruned:
    """Cut off what is asked for, in place.

    Args:
        batches: some hundred rows, for what is chosen and what is fitted.
        loss: (model, batch) -> the mean loss.

    Raises:
        RecipeError: more is asked for than there is.
        ModelError: the model's layers are not known.
    """
    before = sum(p.numel() for p in model.parameters())
    kept, seen = _layers(model, cut, batches, loss)
    ends = stretches(kept, len(encoder_layers(model)))
    sums = _sums(model, kept, ends, batches, loss) if cut.refit else []
    shorter = len(kept) < len(encoder_layers(model))
    if shorter:
        after = [layer.after_down for layer in encoder_layers(model)]
        keep_layers(model, kept)
        if cut.refit:
            for layer, end in zip(encoder_layers(model), ends, strict=True):
                layer.after_down.load_state_dict(after[end].state_dict())
            _cut_layers(model, None, None, sums, batches, loss)
    layers = encoder_layers(model)
    everything = sum(layer.heads for layer in layers)
    heads = None if cut.heads is None else count_of(cut.heads, everything, "heads", least=len(layers))
    neurons = layers[0].up.out_features
    width = neurons if cut.feed_forward is None else count_of(cut.feed_forward, neurons, "feed_forward", step=STEP)
    if heads is not None or width < neurons:
        scores = importance(model, batches, loss, cut.importance)
        on_one_scale = comparable(scores.heads) if cut.importance == "taylor" else scores.heads
        best = None if heads is None else chosen_heads(on_one_scale, heads)
        places = [top(score, width) for score in scores.neurons] if width < neurons else None
        _cut_layers(model, best, places, sums, batches, loss)
    left = [len(living_heads(layer)) for layer in layers]
    return Pruned(kept, left, width, before, sum(p.numel() for p in model.parameters()), seen)


def stretches(kept: Sequence[int], total: int) -> list[int]:
    """The last layer that each kept one stands for: what it gives is what the next kept one has always read.

    >>> stretches([0, 2, 5], 8)
    [1, 4, 7]
    """
    return [*(following - 1 for following in kept[1:]), total - 1]


def _sums(
    model: Any, kept: Sequence[int], ends: Sequence[int], batches: Sequence[Batch], loss: Loss
) -> list[list[torch.Tensor]]:
    """Of the whole model, two a kept layer: after its attention, and after the last layer that it stands for."""
    layers = encoder_layers(model)
    norms = [norm for k, end in zip(kept, ends, strict=True) for norm in (layers[k].after_out, layers[end].after_down)]
    return sums_at(model, norms, batches, loss)


def _cut_layers(
    model: Any,
    heads: Sequence[Sequence[int]] | None,
    neurons: Sequence[torch.Tensor] | None,
    sums: Sequence[Sequence[torch.Tensor]],
    batches: Sequence[Batch],
    loss: Loss,
) -> None:
    """Cut each layer, the lowest first, and fit it to the sums, if there are any."""
    layers = encoder_layers(model)
    calls = calls_of(model, layers[0].module, batches, loss) if sums else []
    with as_it_answers(model), torch.no_grad():
        for i, layer in enumerate(layers):
            module = layer.module
            if heads is not None:
                zero_heads(layer, heads[i])
                if calls:
                    refit(module, layer.out, layer.after_out, sums[2 * i], calls, head_places(layer, heads[i]))
            if neurons is not None:
                narrow(layer, neurons[i])
            if calls:
                refit(module, layer.down, layer.after_down, sums[2 * i + 1], calls)
            for call in calls:
                call.states = call.through(module)
    if neurons is not None:
        even_out(model, len(neurons[0]))


def narrow(layer: EncoderLayer, kept: torch.Tensor) -> None:
    """Leave some neurons of a layer's feed-forward part.

    Args:
        kept: their places, rising.
    """
    keep_rows(layer.up, kept)
    keep_columns(layer.down, kept)


def even_out(model: Any, width: int) -> None:
    """After all layers are narrowed: a mean layer and the configuration, too."""
    for layer in encoder_layers(model, with_mean=True)[len(encoder_layers(model)) :]:
        narrow(layer, torch.arange(width))
    setattr(model.config, width_key(model.config), width)


def zero_heads(layer: EncoderLayer, kept: Sequence[int]) -> None:
    """Set all other heads of a layer to zero: their queries, keys, values, and their way out.

    Args:
        kept: heads that stay.
    """
    gone = torch.ones(layer.out.in_features, dtype=torch.bool, device=layer.out.weight.device)
    gone[head_places(layer, kept)] = False
    with torch.no_grad():
        layer.out.weight[:, gone] = 0
        for linear in (layer.query, layer.key, layer.value):
            linear.weight[gone] = 0
            linear.bias[gone] = 0


def top(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Places of the highest scores, rising; of equal ones the first.

    >>> top(torch.tensor([0.1, 0.9, 0.5, 0.9]), 2).tolist()
    [1, 3]
    """
    return scores.sort(descending=True, stable=True).indices[:count].sort().values


def chosen_heads(scores: Sequence[torch.Tensor], count: int) -> list[list[int]]:
    """The best heads of all layers together, one of every layer at least.

    >>> chosen_heads([torch.tensor([0.1, 0.2]), torch.tensor([0.8, 0.9])], 3)
    [[1], [0, 1]]
    """
    ranked = sorted(((float(s), i, h) for i, layer in enumerate(scores) for h, s in enumerate(layer)), reverse=True)
    taken = [[int(layer.argmax())] for layer in scores]
    for _, i, head in ranked:
        if sum(map(len, taken)) < count and head not in taken[i]:
            taken[i].append(head)
    return [sorted(heads) for heads in taken]


def count_of(wanted: Count, total: int, what: str, *, least: int = 1, step: int = 1) -> int:
    """A number of parts that stay, from a number or a share.

    >>> count_of(0.5, 64, "neurons"), count_of(0.3, 64, "neurons", step=8), count_of(12, 12, "layers")
    (32, 16, 12)

    Raises:
        RecipeError: less than one, or more than there are.
    """
    count = round(wanted * total / step) * step if isinstance(wanted, float) and wanted <= 1 else int(wanted)
    if wanted <= 0 or count > total or (isinstance(wanted, float) and wanted > 1):
        raise RecipeError(
            f"{what} must be a number from {least} to {total}, or a share above 0 up to 1.0. Got {wanted:g}.",
            f"For example {what}={max(1, total // 2)}, or {what}=0.5.",
        )
    return total if wanted == 1.0 and isinstance(wanted, float) else min(total, max(count, least, min(step, total)))


def _layers(model: Any, cut: Cut, batches: Sequence[Batch], loss: Loss) -> tuple[list[int], list[float]]:
    total = len(encoder_layers(model))
    if cut.layers is None:
        return list(range(total)), []
    if not isinstance(cut.layers, int | float):
        return named_layers(cut.layers, total), []
    count = count_of(cut.layers, total, "layers")
    if cut.which == "bottom":
        return list(range(count)), []
    if cut.which == "even":
        return evenly(total, count), []
    seen = effects(model, batches, loss)
    return most_effect(seen, count), seen


def named_layers(layers: Sequence[int], total: int) -> list[int]:
    """Layers by number, in their order.

    Raises:
        RecipeError: one is not there.
    """
    if not layers or min(layers) < 0 or max(layers) >= total:
        raise RecipeError(
            f"layers names {', '.join(map(str, layers))}, and the model has those from 0 to {total - 1}.",
            "Name some of them, or say how many: layers=6.",
        )
    return sorted(set(layers))

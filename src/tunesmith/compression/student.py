"""A student: a smaller model that starts as some of its teacher's layers, for ``distill`` to teach.

Copying layers is what makes distillation cheap (Sanh et al. 2019: every other layer; Shleifer & Rush 2020: evenly
spaced ones, tabled in their code). Embeddings, pooler, head, and a layer that stands for mean pooling are copied
whole, so that a student answers from the start.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tunesmith.bundle.read import Bundle
from tunesmith.bundle.runtimes.torch import load_model
from tunesmith.bundle.write import write_model
from tunesmith.compression.layers import evenly, keep_layers
from tunesmith.compression.prune import STEP, Count, count_of, even_out, named_layers, narrow, top
from tunesmith.core.errors import RecipeError
from tunesmith.models.encoder_layers import encoder_layers
from tunesmith.models.heads import mean


def student(teacher: Any, layers: int | Sequence[int], feed_forward: Count | None = None) -> Any:
    """A copy with fewer layers.

    Args:
        teacher: a transformers encoder; it stays as it is.
        layers: how many, evenly spaced; or which.
        feed_forward: neurons of each layer, or their share: those of the largest weights, since no row is read here.
            ``prune`` chooses better, by rows.

    Raises:
        RecipeError: there are not so many.
        ModelError: its layers are not known.
    """
    made = copy.deepcopy(teacher)
    mean.restore(made)
    total = len(encoder_layers(made))
    kept = evenly(total, count_of(layers, total, "layers")) if isinstance(layers, int) else named_layers(layers, total)
    keep_layers(made, kept)
    if feed_forward is not None:
        own = encoder_layers(made)
        width = count_of(feed_forward, own[0].up.out_features, "feed_forward", step=STEP)
        for layer in own:
            narrow(layer, top(reach(layer.up.weight, layer.down.weight), width))
        even_out(made, width)
    return made


def reach(up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """How far each neuron can reach: the length of what it reads by the length of what it writes, [neurons].

    >>> reach(torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[1.0, 2.0]])).tolist()
    [5.0, 2.0]
    """
    reached: torch.Tensor = up.detach().norm(dim=1) * down.detach().norm(dim=0)
    return reached


def write_student(
    bundle: Bundle, folder: str | Path, layers: int | Sequence[int], feed_forward: Count | None = None
) -> Path:
    """A bundle's student as a folder that ``tune`` starts from: ``model=FOLDER``.

    Args:
        folder: must be free.

    Raises:
        RecipeError: the folder is not free, or the bundle has not so many layers.
        ModelError: its layers are not known.
    """
    place = Path(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise RecipeError(f"The student's place {place} is not free.", "Name a new folder.")
    model = student(load_model(bundle), layers, feed_forward)
    place.mkdir(parents=True, exist_ok=True)
    write_model(place, model, bundle.processor)
    bundle.task.accompany(str(place), model.config, bundle.manifest.max_length)
    return place

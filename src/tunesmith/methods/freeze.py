"""The upper layers are trained, the lower ones stay."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Method, MethodDefaults, Task
from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")


class Freeze(Method):
    """Partial fine-tuning: the head and some layers.

    Args:
        layers: how many of the upper layers are trained, or which, counted from 0 at the input.
    """

    name: ClassVar[str] = "freeze"
    summary: ClassVar[str] = "the upper layers are trained, the lower ones stay"
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=2e-4, epochs=4, layer_decay=0.9, head_learning_rate=1e-3
    )

    def __init__(self, layers: Annotated[int, Field(ge=0)] | list[Annotated[int, Field(ge=0)]] = 2) -> None:
        self.layers = layers

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Freeze everything, then free the chosen layers and the head.

        Raises:
            RecipeError: a layer is named that the model does not have.
        """
        from tunesmith.models.heads import head_parameters

        moving = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        count = 1 + max((int(m[1]) for name in moving if (m := _LAYER.search(name))), default=-1)
        chosen = set(range(count)[-self.layers :] if self.layers else ()) if isinstance(self.layers, int) else None
        chosen = set(self.layers) if chosen is None and isinstance(self.layers, list) else chosen or set()
        if chosen and max(chosen) >= count:
            raise RecipeError(
                f"method.layers names layer {max(chosen)}; the model has {count}, counted from 0.",
                f"Name layers from 0 to {count - 1}.",
            )
        names = set(moving)
        model.requires_grad_(False)
        for name, parameter in model.named_parameters():
            layer = _LAYER.search(name)
            if layer and int(layer[1]) in chosen and name in names:
                parameter.requires_grad_(True)
        for parameter in head_parameters(model):
            parameter.requires_grad_(True)
        return model

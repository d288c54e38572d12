"""The upper layers are trained, the lower ones stay."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Method, MethodDefaults, Strategy, Task
from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")


def layer_of(name: str) -> int | None:
    """The layer that a parameter stands in, counted from 0 at the input; None: in none.

    >>> layer_of("bert.encoder.layer.3.output.dense.weight"), layer_of("classifier.bias")
    (3, None)
    """
    found = _LAYER.search(name)
    return int(found[1]) if found else None


class Freeze(Method):
    """Partial fine-tuning: the head and some layers.

    Args:
        layers: how many of the upper layers are trained, or which, counted from 0 at the input.
        gradual: whether they start one after the other, the uppermost first (Howard & Ruder 2018, 3.3).
    """

    name: ClassVar[str] = "freeze"
    summary: ClassVar[str] = "the upper layers are trained, the lower ones stay"
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=2e-4, epochs=4, layer_decay=0.9, head_learning_rate=1e-3
    )

    def __init__(
        self,
        layers: Annotated[int, Field(ge=0)] | list[Annotated[int, Field(ge=0)]] = 2,
        gradual: bool = False,
    ) -> None:
        self.layers, self.gradual = layers, gradual

    def strategies(self) -> list[Strategy]:
        """The schedule of gradual unfreezing, if asked for."""
        from tunesmith.methods.gradual import GradualUnfreezing

        return [GradualUnfreezing()] if self.gradual else []

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Freeze everything, then free the chosen layers and the head.

        Raises:
            RecipeError: a layer is named that the model does not have.
        """
        from tunesmith.models.heads import head_parameters

        moving = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        count = 1 + max((n for name in moving if (n := layer_of(name)) is not None), default=-1)
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
            if layer_of(name) in chosen and name in names:
                parameter.requires_grad_(True)
        for parameter in head_parameters(model):
            parameter.requires_grad_(True)
        return model

"""Only the head is trained; the backbone's vectors are computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tunesmith.core.contracts import Method, MethodDefaults, Task

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class Head(Method):
    """A linear head on a frozen backbone."""

    name: ClassVar[str] = "head"
    summary: ClassVar[str] = "a linear head on a frozen backbone, whose vectors are computed once and kept"
    defaults: ClassVar[MethodDefaults] = MethodDefaults(learning_rate=5e-3, epochs=30, batch_size=64, weight_decay=0.0)
    frozen_backbone: ClassVar[bool] = True

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Freeze all but the layer that gives the logits, or what the model calls its head."""
        from tunesmith.models.heads import output_layer

        model.requires_grad_(False)
        head: torch.nn.Module = getattr(model, "own_head", None) or output_layer(model)
        head.requires_grad_(True)
        return model

"""Every weight is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tunesmith.core.contracts import Method, MethodDefaults, Task

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class Full(Method):
    """Full fine-tuning, with smaller steps for lower layers."""

    name: ClassVar[str] = "full"
    summary: ClassVar[str] = "every weight is trained"
    trains_embeddings: ClassVar[bool] = True
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=1e-4, epochs=4, layer_decay=0.9, head_learning_rate=1e-3
    )

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Everything learns but an appended mean layer, which has nothing to learn."""
        return model

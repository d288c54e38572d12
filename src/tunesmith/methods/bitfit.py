"""Only biases: BitFit (Ben Zaken et al. 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tunesmith.core.contracts import Method, MethodDefaults, Task
from tunesmith.core.errors import RecipeError
from tunesmith.methods.places import unfit

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel


class BitFit(Method):
    """Every bias is trained, those of norms too, and the head; nothing is added to the model."""

    name: ClassVar[str] = "bitfit"
    summary: ClassVar[str] = "only biases and the head are trained (Ben Zaken et al. 2022)"
    # From the paper (4.1: 1e-4 to 1e-2 was searched); not yet measured by us.
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=4e-3, epochs=6, weight_decay=0.0, head_learning_rate=2e-3
    )

    def fits(self, task: Task, config: PretrainedConfig) -> str | None:
        """Models without biases are refused."""
        return unfit(self.name, task, config)

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Free the biases and the head.

        Raises:
            RecipeError: the model has no biases.
        """
        from tunesmith.models.heads import head_parameters

        biases = [p for name, p in model.named_parameters() if p.requires_grad and name.rpartition(".")[2] == "bias"]
        head = head_parameters(model)
        of_head = {id(p) for p in head}
        if not any(id(p) not in of_head for p in biases):
            raise RecipeError(
                f"method=bitfit trains biases, and {type(model).__name__} has none outside its head.",
                "Use method=lora or method=ia3.",
            )
        model.requires_grad_(False)
        for parameter in [*biases, *head]:
            parameter.requires_grad_(True)
        return model

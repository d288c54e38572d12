"""Low-rank updates of the backbone's linear layers: LoRA (Hu et al. 2021), by peft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import Method, MethodDefaults, Task
from tunesmith.core.errors import RecipeError
from tunesmith.core.extras import need

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class Lora(Method):
    """Each chosen layer learns ``W + (alpha / rank) B A``; the head is trained whole.

    Args:
        rank: of the update.
        alpha: its scale; None: twice the rank.
        dropout: on what goes into the update.
        targets: "all" linear layers of the backbone, or the attention's "queries-values".
    """

    name: ClassVar[str] = "lora"
    summary: ClassVar[str] = "low-rank updates of linear layers (Hu et al. 2021), saved as a small adapter too"
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=2e-3, epochs=4, weight_decay=0.0, head_learning_rate=2e-3
    )

    def __init__(
        self,
        rank: Annotated[int, Field(ge=1)] = 16,
        alpha: Annotated[float, Field(gt=0)] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        targets: Literal["all", "queries-values"] = "all",
    ) -> None:
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        self.targets = targets

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Wrap the model by peft."""
        peft = need("peft", extra="train", purpose="method=lora")
        from tunesmith.models.heads import head_names

        appended = _appended(model)
        config = peft.LoraConfig(
            task_type=_peft_type(task),
            r=self.rank,
            lora_alpha=self.alpha or 2 * self.rank,
            lora_dropout=self.dropout,
            target_modules=self._targets(model),
            modules_to_save=[*head_names(model), *appended],
        )
        wrapped: torch.nn.Module = peft.get_peft_model(model, config)
        for name, parameter in wrapped.named_parameters():
            if any(f"{layer}." in name for layer in appended):
                parameter.requires_grad_(False)
        return wrapped

    def _targets(self, model: Any) -> list[str]:
        """Full names of the backbone's linear layers, so that no layer of the head is taken by its name's end."""
        from torch import nn
        from transformers.pytorch_utils import Conv1D

        from tunesmith.models.heads import head_names

        heads = {name.split(".")[0] for name in head_names(model)}
        names = [
            name
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear | Conv1D) and not heads & set(name.split("."))
        ]
        names = [name for name in names if not any(name.startswith(layer + ".") for layer in _appended(model))]
        if self.targets == "queries-values":
            last = ("query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "q", "v", "c_attn")
            names = [name for name in names if name.rsplit(".", 1)[-1] in last]
        if not names:
            raise RecipeError(
                f'method.targets is "{self.targets}", and {type(model).__name__} has no such layers.',
                "Use method.targets=all, or another method.",
            )
        return names

    def merge(self, model: torch.nn.Module) -> PreTrainedModel:
        """Add the updates to the weights that they belong to."""
        merged: PreTrainedModel = model.merge_and_unload()  # type: ignore[operator]
        return merged

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """Write peft's files; ``base`` is what ``PeftModel.from_pretrained`` is to be given as its base."""
        for config in model.peft_config.values():  # type: ignore[operator]
            config.base_model_name_or_path = base
            config.inference_mode = True
        model.save_pretrained(folder, save_embedding_layers=False)  # type: ignore[operator]
        return True


def _appended(model: Any) -> list[str]:
    """Full names of layers that are not in the pretrained weights, and so must be in the adapter."""
    from tunesmith.models.heads import mean

    return [name for name, module in model.named_modules() if isinstance(module, mean.MeanLayer) or _is_mean(module)]


def _is_mean(module: Any) -> bool:
    from tunesmith.models.heads import mean

    return hasattr(module, "intermediate") and hasattr(module, "attention") and mean.is_mean(module)


def _peft_type(task: Task) -> str | None:
    kinds = {
        "AutoModelForSequenceClassification": "SEQ_CLS",
        "AutoModelForTokenClassification": "TOKEN_CLS",
        "AutoModelForQuestionAnswering": "QUESTION_ANS",
        "AutoModelForSeq2SeqLM": "SEQ_2_SEQ_LM",
        "AutoModelForCausalLM": "CAUSAL_LM",
    }
    return kinds.get(task.auto_model)

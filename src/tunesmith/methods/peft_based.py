"""What the methods that peft brings have in common: where, what is saved, and the way back to a plain model."""

from __future__ import annotations

import logging
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Method, Task
from tunesmith.core.errors import RecipeError
from tunesmith.core.extras import need
from tunesmith.methods.places import appended, backbone_modules, unfit

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel

TASK_TYPES = {
    "AutoModelForSequenceClassification": "SEQ_CLS",
    "AutoModelForTokenClassification": "TOKEN_CLS",
    "AutoModelForQuestionAnswering": "QUESTION_ANS",
    "AutoModelForSeq2SeqLM": "SEQ_2_SEQ_LM",
    "AutoModelForCausalLM": "CAUSAL_LM",
}
"""Auto class -> peft's word; others need none."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what peft and bitsandbytes tell developers of themselves: a user can do nothing about it."""
    logger = logging.getLogger("bitsandbytes")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            yield
        finally:
            logger.setLevel(level)


class PeftMethod(Method):
    """Wraps a model by peft and unwraps it again; a method says by which configuration."""

    def fits(self, task: Task, config: PretrainedConfig) -> str | None:
        """As the table of ``places`` says."""
        return unfit(self.name, task, config)

    @abstractmethod
    def config(self, peft: Any, model: PreTrainedModel, **shared: Any) -> Any:
        """The configuration for peft; ``shared`` goes into it (``task_type``, ``modules_to_save``)."""

    @_quiet()
    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Wrap the model; its head is trained whole, and what a mean layer is made of goes along frozen."""
        peft = need("peft", extra="train", purpose=f"method={self.name}")
        from tunesmith.models.heads import head_names

        beside = appended(model)
        shared = {"task_type": TASK_TYPES.get(task.auto_model), "modules_to_save": [*head_names(model), *beside]}
        wrapped: torch.nn.Module = peft.get_peft_model(model, self.config(peft, model, **shared))
        for name, parameter in wrapped.named_parameters():
            if any(f"{layer}." in name for layer in beside):
                parameter.requires_grad_(False)
        return wrapped

    def merge(self, model: torch.nn.Module) -> PreTrainedModel:
        """Add the updates to the weights that they belong to, and unwrap the model.

        Not by peft's ``merge_and_unload``, which for some methods fails on a head or pooler of several layers.
        """
        from peft.tuners.tuners_utils import BaseTunerLayer
        from peft.utils import ModulesToSaveWrapper

        plain: Any = model.get_base_model()  # type: ignore[operator]
        for name, module in list(plain.named_modules()):
            parent, _, last = name.rpartition(".")
            if isinstance(module, BaseTunerLayer):
                module.merge()
                setattr(plain.get_submodule(parent), last, module.get_base_layer())
            elif isinstance(module, ModulesToSaveWrapper):
                kept: Any = module.modules_to_save
                setattr(plain.get_submodule(parent), last, kept[module.active_adapter])
        if hasattr(plain, "peft_config"):
            del plain.peft_config
        merged: PreTrainedModel = plain
        return merged

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """Write peft's files; ``base`` is what ``PeftModel.from_pretrained`` is to be given as its base."""
        for config in model.peft_config.values():  # type: ignore[operator]
            config.base_model_name_or_path = base
            config.inference_mode = True
        model.save_pretrained(folder, save_embedding_layers=False)  # type: ignore[operator]
        return True


def by_columns(model: Any) -> bool:
    """Whether the model's layers keep their weights as [inputs, outputs], which peft wants to be told."""
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(module, Conv1D) for module in model.modules())


def linear_layers(model: Any) -> list[str]:
    """Full names of the backbone's linear layers, so that no layer of the head is taken by its name's end.

    Raises:
        RecipeError: there are none.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    names = [name for name, module in backbone_modules(model) if isinstance(module, nn.Linear | Conv1D)]
    if not names:
        raise RecipeError(f"{type(model).__name__} has no linear layers to update.", "Use method=full.")
    return names


def queries_and_values(model: Any, names: list[str]) -> list[str]:
    """Of linear layers, those that make queries and values, as Hu et al. 2021 chose.

    Raises:
        RecipeError: the model names them in a way that is not known.
    """
    last = ("query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "q", "v", "c_attn")
    chosen = [name for name in names if name.rsplit(".", 1)[-1] in last]
    if not chosen:
        raise RecipeError(
            f'method.targets is "queries-values", and {type(model).__name__} has no such layers.',
            "Use method.targets=all, or another method.",
        )
    return chosen

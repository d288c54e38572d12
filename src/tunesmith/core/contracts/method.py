"""What is trainable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from tunesmith.core.contracts.strategy import Strategy
    from tunesmith.core.contracts.task import Task


@dataclass(frozen=True)
class MethodDefaults:
    """What we tuned for a method; a recipe's own value always wins."""

    learning_rate: float
    epochs: float = 3
    batch_size: int = 16
    accumulate: int = 1
    """Batches of a step."""
    weight_decay: float = 0.01
    layer_decay: float = 1.0
    """Factor on the learning rate for each layer further from the head (ULMFiT, Howard & Ruder 2018)."""
    warmup: float = 0.1
    """Share of all steps."""
    head_learning_rate: float | None = None
    """For the freshly made head; None: the same as the rest."""
    least_steps: int = 0
    """Steps below which little is learned: fewer rows are gone through more often (Mosbach et al. 2021)."""


class Method(ABC):
    """What is trainable."""

    name: ClassVar[str]
    summary: ClassVar[str]
    defaults: ClassVar[MethodDefaults]
    few_bits: ClassVar[bool] = False
    """Whether ``apply`` rounds the base to few bits: it is done before the model goes to its device, which need never
    hold the whole model, and ``merge`` is left to the end."""
    frozen_backbone: ClassVar[bool] = False
    """True: the backbone's features never change, so they are computed once and kept on disk."""
    trains_embeddings: ClassVar[bool] = False
    """Whether it can learn what tokens mean that the model has never seen."""
    plain: bool = True
    """Whether ``merge`` gives a model that transformers alone can hold. False: the bundle keeps ``base/`` and
    ``adapter/`` apart, and the runtime puts them together by ``restore``."""

    def fits(self, task: Task, config: PretrainedConfig) -> str | None:
        """Why it cannot be used for this task or kind of model, in words; None where it can. No weights are loaded."""
        return None

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """The tokenizer as this method needs it, before ``apply``; the bundle keeps what is returned."""
        return processor

    @abstractmethod
    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """The same model with only the method's weights trainable; may wrap it. The head is always trainable."""

    def strategies(self) -> list[Strategy]:
        """What it wants of the loop, a schedule by steps; these stand after the recipe's own."""
        return []

    def rates(self) -> Mapping[str, float]:
        """Part of a parameter's name -> factor on its learning rate (LoRA+)."""
        return {}

    def merge(self, model: torch.nn.Module) -> PreTrainedModel:
        """A transformers model with the same outputs; a plain one unless ``plain`` says otherwise."""
        return model  # type: ignore[return-value]

    def restore(self, model: PreTrainedModel, task: Task, folder: str) -> torch.nn.Module:
        """What ``save_adapter`` wrote into ``folder``, put back onto the plain base. Only where not ``plain``."""
        raise NotImplementedError(f"{self.name} is merged, and has nothing to put back")

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """Write what ``PeftModel.from_pretrained`` or ``restore`` reads, head included; False: there is no adapter.

        Called before ``merge``.
        """
        return False

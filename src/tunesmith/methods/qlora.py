"""LoRA on a base of 4 or 8 bits: QLoRA (Dettmers et al. 2023), by peft and bitsandbytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import MethodDefaults, Task
from tunesmith.core.extras import need
from tunesmith.methods.lora import Lora
from tunesmith.methods.peft_based import linear_layers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class QLora(Lora):
    """The backbone's linear layers are kept in ``bits`` while their low-rank updates learn.

    The merged model is in full precision: the base as its bits say, plus the updates.

    Args:
        rank, alpha, dropout, targets: as of ``lora``.
        bits: 4 (NF4) or 8.
    """

    name: ClassVar[str] = "qlora"
    summary: ClassVar[str] = "low-rank updates on a base of 4 or 8 bits (Dettmers et al. 2023)"
    defaults: ClassVar[MethodDefaults] = Lora.defaults
    few_bits: ClassVar[bool] = True

    def __init__(
        self,
        rank: Annotated[int, Field(ge=1)] = 16,
        alpha: Annotated[float, Field(gt=0)] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] | None = None,
        targets: Literal["all", "queries-values"] = "all",
        bits: Literal[4, 8] = 4,
    ) -> None:
        super().__init__(rank, alpha, dropout, targets)
        self.bits = bits

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Quantise, then wrap by peft.

        Raises:
            ExtraMissing: bitsandbytes is not installed, or does not load on this machine.
        """
        from tunesmith.methods.few_bits import quantise

        codec = need("bitsandbytes.functional", package="bitsandbytes", purpose="method=qlora")
        quantise(model, linear_layers(model), self.bits, codec)
        return super().apply(model, task)

    def merge(self, model: torch.nn.Module) -> PreTrainedModel:
        """Back to full precision, then as ``lora``: added to few bits, the updates would be rounded away.

        On the CPU, as the device may have no room for it.
        """
        from tunesmith.methods.few_bits import restored

        merged: Any = restored(model.cpu())
        return super().merge(merged)

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """None: on a base of full precision the updates would give other answers than those that were measured."""
        return False

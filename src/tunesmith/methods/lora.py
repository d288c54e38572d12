"""Low-rank updates of the backbone's linear layers: LoRA (Hu et al. 2021), by peft."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import MethodDefaults, Task
from tunesmith.methods.peft_based import PeftMethod, by_columns, linear_layers, queries_and_values

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel

Start = Literal["zero", "gaussian", "pissa", "olora"]
CHANGES_BASE = ("pissa", "olora")
"""Starts that move a part of the base's weights into the update: without them the update means nothing."""


RSLORA_ALPHA = 8.0
START_RATE = 0.1


class Lora(PeftMethod):
    """Each chosen layer learns ``W + scale B A``; the head is trained whole.

    Args:
        rank: of the update.
        alpha: ``scale`` is ``alpha / rank``; None: twice the rank, and with ``rslora`` 8, the same at rank 16.
        dropout: on what goes into the update; None: 0.05, and none where a causal model learns to write.
        targets: "all" linear layers of the backbone, or the attention's "queries-values".
        rslora: ``scale`` is ``alpha / sqrt(rank)``, which holds for large ranks (Kalajdzievski 2023, eq. 3).
        dora: length and direction of each column apart, ``m (W + BA) / ||W + BA||`` (Liu et al. 2024, eq. 5).
        b_rate: ``B`` learns so many times faster than ``A`` (LoRA+, Hayou et al. 2024, who use 16). The learning rate
            is then the geometric mean of both.
        start: what the update begins with. "zero": B is zero, A uniform; "gaussian": A gaussian; "pissa": the largest
            singular values of W (Meng et al. 2024); "olora": an orthonormal base of W (Büyükakyüz 2024).
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
        dropout: Annotated[float, Field(ge=0, lt=1)] | None = None,
        targets: Literal["all", "queries-values"] = "all",
        rslora: bool = False,
        dora: bool = False,
        b_rate: Annotated[float, Field(ge=1)] = 1.0,
        start: Start = "zero",
    ) -> None:
        self.rank, self.alpha, self.dropout, self.targets = rank, alpha, dropout, targets
        self.rslora, self.dora, self.b_rate, self.start = rslora, dora, b_rate, start

    def config(self, peft: Any, model: PreTrainedModel, **shared: Any) -> Any:
        """``LoraConfig``."""
        names = linear_layers(model)
        return peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha or (RSLORA_ALPHA if self.rslora else 2 * self.rank),
            lora_dropout=self._dropout(shared.get("task_type")),
            target_modules=names if self.targets == "all" else queries_and_values(model, names),
            use_rslora=self.rslora,
            use_dora=self.dora,
            init_lora_weights=True if self.start == "zero" else self.start,
            fan_in_fan_out=by_columns(model),
            **shared,
        )

    def _dropout(self, kind: str | None) -> float:
        """A language model has seen each text once or twice when it ends: there is little to forget by chance."""
        if self.dropout is not None:
            return self.dropout
        return 0.0 if kind == "CAUSAL_LM" else 0.05

    def fits(self, task: Task, config: PretrainedConfig) -> str | None:
        """One start is not for every kind of layer."""
        if self.start == "olora" and config.model_type == "gpt2":
            return "peft's OLoRA start knows no Conv1D layers, which this kind of model is made of"
        return super().fits(task, config)

    def rates(self) -> Mapping[str, float]:
        """LoRA+'s; and less for a start from the base's own weights, which are no small numbers."""
        apart = {"lora_A": self.b_rate**-0.5, "lora_B": self.b_rate**0.5} if self.b_rate != 1 else {}
        return {**apart, **({"lora_": START_RATE} if self.start in CHANGES_BASE else {})}

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """As all methods of peft, but for starts that change the base: there only the merged model is right."""
        return self.start not in CHANGES_BASE and super().save_adapter(model, folder, base)

"""Low-rank updates whose ranks are divided anew while training: AdaLoRA (Zhang et al. 2023), by peft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import MethodDefaults, Strategy
from tunesmith.core.errors import RecipeError
from tunesmith.methods.peft_based import PeftMethod, by_columns, linear_layers, queries_and_values

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class AdaLora(PeftMethod):
    """``W + scale P Λ Q``: triplets that matter little lose their ``Λ``, until ``rank`` a layer are left on average.

    Args:
        rank: left at the end, on average over the layers.
        first_rank: of each layer at the start.
        alpha: of the scale ``alpha / first_rank``; None: twice the first rank.
        dropout: on what goes into the update.
        first: share of the steps before the first rank is taken away.
        last: share of the steps after the last one was.
        orthogonal: weight of ``||PᵀP - I||`` and ``||QQᵀ - I||`` in the loss (their eq. 4).
        targets: "all" linear layers of the backbone, or the attention's "queries-values".
    """

    name: ClassVar[str] = "adalora"
    summary: ClassVar[str] = "low-rank updates, their ranks divided anew while training (Zhang et al. 2023)"
    # The paper (appendix D) uses 5e-4 to 2.2e-3 on long runs; ours are short. Not yet measured by us.
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=5e-3, epochs=5, weight_decay=0.0, head_learning_rate=2e-3
    )

    def __init__(
        self,
        rank: Annotated[int, Field(ge=1)] = 8,
        first_rank: Annotated[int, Field(ge=2)] = 12,
        alpha: Annotated[float, Field(gt=0)] | None = None,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        first: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        last: Annotated[float, Field(ge=0, lt=1)] = 0.3,
        orthogonal: Annotated[float, Field(ge=0)] = 0.1,
        targets: Literal["all", "queries-values"] = "all",
    ) -> None:
        if rank >= first_rank:
            raise RecipeError(
                f"method.rank is {rank} and method.first_rank {first_rank}: nothing would be taken away.",
                "Set method.first_rank above method.rank, or use method=lora.",
            )
        if first + last >= 1:
            raise RecipeError(
                f"method.first and method.last are {first:g} and {last:g}: no step is left between them.",
                "Their sum must be below 1.",
            )
        self.rank, self.first_rank, self.alpha, self.dropout = rank, first_rank, alpha, dropout
        self.first, self.last, self.orthogonal, self.targets = first, last, orthogonal, targets

    def config(self, peft: Any, model: PreTrainedModel, **shared: Any) -> Any:
        """``AdaLoraConfig``; the number of steps is told when the loop knows it."""
        names = linear_layers(model)
        alpha = self.alpha or 2 * self.first_rank
        return peft.AdaLoraConfig(
            target_r=self.rank,
            init_r=self.first_rank,
            lora_alpha=alpha,
            lora_dropout=self.dropout,
            target_modules=names if self.targets == "all" else queries_and_values(model, names),
            total_step=10**9,
            fan_in_fan_out=by_columns(model),
            **shared,
        )

    def strategies(self) -> list[Strategy]:
        """The schedule, and what holds the triplets orthogonal."""
        from tunesmith.methods.rank_schedule import RankSchedule

        return [RankSchedule(self.first, self.last, self.orthogonal)]

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """All triplets, those without a value too: the best weights may be older than the last division of ranks."""
        for config in model.peft_config.values():  # type: ignore[operator]
            config.rank_pattern = None
        return super().save_adapter(model, folder, base)

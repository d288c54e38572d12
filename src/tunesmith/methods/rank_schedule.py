"""AdaLoRA's schedule in the loop: importance by gradients, ranks taken away, triplets held orthogonal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.core.contracts import Batch, LossFn, Strategy

if TYPE_CHECKING:
    import torch
    from torch import nn

FEWEST_STEPS = 4
"""A run of fewer keeps all ranks: there would be no step between the first and the last phase."""


def orthogonality(model: nn.Module) -> torch.Tensor:
    """The mean of ``||PᵀP - I||`` and ``||QQᵀ - I||`` over all layers (Zhang et al. 2023, eq. 4): a scalar."""
    import torch

    gaps = []
    for name, parameter in model.named_parameters():
        if "lora_A." in name or "lora_B." in name:
            square = parameter @ parameter.T if "lora_A." in name else parameter.T @ parameter
            gaps.append(torch.linalg.norm(square - torch.eye(len(square), device=square.device)))
    return torch.stack(gaps).mean()


class RankSchedule(Strategy):
    """Calls peft's ``update_and_allocate`` with each step's gradients, and masks again after the step.

    Args:
        first, last: shares of the steps in which no rank is taken away.
        weight: of ``orthogonality`` in the loss.
    """

    name: ClassVar[str] = "rank_schedule"
    summary: ClassVar[str] = "AdaLoRA's division of ranks"

    def __init__(self, first: float, last: float, weight: float) -> None:
        self.first, self.last, self.weight = first, last, weight
        self._tuner: Any = None
        self._seen = -1

    def start(self, run: Any) -> None:
        """Tell peft how many steps there are."""
        self._tuner = run.model.base_model
        total = run.total_steps
        config = self._config
        config.total_step, config.tinit, config.tfinal = total, int(self.first * total), int(self.last * total)
        config.deltaT = max(1, total // 100)

    @property
    def _config(self) -> Any:
        return self._tuner.peft_config[self._tuner.trainable_adapter_name]

    def loss(self, compute: LossFn) -> LossFn:
        """The loss, plus what holds the triplets orthogonal."""

        def held(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            loss, outputs = compute(model, batch)
            return (loss + self.weight * orthogonality(model) if model.training else loss), outputs

        return held

    def after_backward(self, run: Any, batch: Batch, compute: LossFn) -> None:
        """Once a step, by the gradients of its first batch."""
        if run.step != self._seen and run.total_steps >= FEWEST_STEPS:
            self._tuner.update_and_allocate(run.step + 1)
        self._seen = run.step

    def on_step(self, run: Any) -> None:
        """The optimizer has moved what was taken away: take it away again."""
        if self._config.rank_pattern:
            self._tuner.rankallocator.mask_using_rank_pattern(self._tuner.model, self._config.rank_pattern)

    def state(self) -> dict[str, Any]:
        """Importance and ranks."""
        import torch

        allocator = self._tuner.rankallocator
        ranks = self._config.rank_pattern or {}
        return {
            **{f"mean|{name}": value for name, value in allocator.exp_avg_ipt.items()},
            **{f"doubt|{name}": value for name, value in allocator.exp_avg_unc.items()},
            **{f"ranks|{name}": torch.tensor(kept) for name, kept in ranks.items()},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take it back, each tensor to where its weight is: a checkpoint is read on the CPU."""
        parts: dict[str, dict[str, Any]] = {"mean": {}, "doubt": {}, "ranks": {}}
        places = {name: p.device for name, p in self._tuner.model.named_parameters()}
        for key, value in state.items():
            kind, _, name = key.partition("|")
            parts[kind][name] = value if kind == "ranks" else value.to(places[name])
        allocator = self._tuner.rankallocator
        allocator.exp_avg_ipt, allocator.exp_avg_unc = parts["mean"], parts["doubt"]
        allocator.ipt = dict(parts["mean"])  # only its names are asked for
        self._config.rank_pattern = {name: kept.bool().tolist() for name, kept in parts["ranks"].items()} or None

"""A run's checkpoint: what is written of it, and how a run that finds one goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Strategy
from tunesmith.core.errors import TrainingError
from tunesmith.core.runtime import random_state, restore_random_state
from tunesmith.training import checkpoint
from tunesmith.training.run_state import Progress

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Resumable:
    """All that a run is made of when it stands still.

    Args:
        folder: the run's own.
        model: unwrapped.
        total: steps; with ``features`` (how many), what a checkpoint is known again by.
    """

    folder: Path
    model: nn.Module
    optimizer: Any
    strategies: Sequence[Strategy]
    total: int
    features: int
    scaler: Any = None
    """Of fp16's gradients; its scale is the run's, too."""

    def write(self, progress: Progress, losses: Sequence[float], seen: Sequence[float]) -> None:
        """Keep the run as it is now.

        Args:
            losses: since the last were noted.
            seen: those that divergence is seen by.
        """
        groups = {
            "model": checkpoint.trainable(self.model),
            "optimizer": checkpoint.optimizer_tensors(self.optimizer),
        }
        facts: dict[str, Any] = {
            "progress": vars(progress),
            "losses": list(losses),
            "seen": list(seen),
            "random": random_state(),
            "total": self.total,
            "features": self.features,
        }
        if self.scaler is not None:
            facts["scaler"] = self.scaler.state_dict()
        for i, strategy in enumerate(self.strategies):
            tensors, values = parted(strategy.state())
            if tensors:
                groups[f"strategy{i}"] = tensors
            if values:
                facts[f"strategy{i}"] = values
        checkpoint.write(self.folder / "checkpoint", groups, facts)

    def read(self) -> tuple[Progress, list[float], list[float]] | None:
        """Put everything back as it was; progress, losses and seen losses, or None where there is no checkpoint.

        Raises:
            TrainingError: it is of another run.
        """
        found = checkpoint.read(self.folder / "checkpoint")
        if found is None:
            return None
        groups, facts = found
        if facts["total"] != self.total or facts["features"] != self.features:
            raise TrainingError(
                f"The unfinished run in {self.folder} had {facts['total']} steps over {facts['features']} features; "
                f"this one has {self.total} over {self.features}.",
                "Give the settings and data that it was started with, or start afresh with --fresh.",
            )
        checkpoint.load_trainable(self.model, groups["model"])
        checkpoint.load_optimizer(self.optimizer, groups["optimizer"])
        for i, strategy in enumerate(self.strategies):
            strategy.load_state({**groups.get(f"strategy{i}", {}), **facts.get(f"strategy{i}", {})})
        if self.scaler is not None and facts.get("scaler"):
            self.scaler.load_state_dict(facts["scaler"])
        restore_random_state(facts["random"])
        return Progress(**facts["progress"]), facts["losses"], facts["seen"]

    def write_best(self, step: int) -> None:
        """Keep the weights as the best."""
        checkpoint.write(self.folder / "best", {"model": checkpoint.trainable(self.model)}, {"step": step})

    def read_best(self) -> bool:
        """Put the best weights back; False where none were kept."""
        found = checkpoint.read(self.folder / "best")
        if found is not None:
            checkpoint.load_trainable(self.model, found[0]["model"])
        return found is not None


def parted(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A strategy's state: its tensors, and its JSON values."""
    import torch

    tensors = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
    return tensors, {key: value for key, value in state.items() if key not in tensors}

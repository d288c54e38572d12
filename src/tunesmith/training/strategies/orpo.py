"""Imitate better answers and turn away from worse ones, without a start to compare with (Hong et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Feature, Row
from tunesmith.training.strategies.answer_pairs import ROLE, pairs_of
from tunesmith.training.strategies.preference import Answers, Preference, Sums
from tunesmith.training.strategies.preferred import orpo_loss

if TYPE_CHECKING:
    import torch


class Orpo(Preference):
    """``-mean log p(better) + weight * preferred.orpo_loss`` (eq. 6), in the place of the task's loss.

    For a model that is to learn a task and what is preferred at once; nothing is computed of the start but how far the
    model has left it.

    Args:
        weight: of the odds' ratio (lambda).
        max_kl: nats a token that the model may be away from its start; beyond it the run ends.
    """

    name: ClassVar[str] = "orpo"
    summary: ClassVar[str] = "imitate better answers and turn away from worse ones (Hong et al. 2024)"
    reads = (ROLE,)
    of_start: ClassVar[bool] = False
    margin: ClassVar[str] = "preference_margin"
    choosing: ClassVar[tuple[str, ...]] = ("preference_loss", "preference_accuracy")
    training: ClassVar[Mapping[str, Any]] = {
        "epochs": 1,
        "batch_size": 8,
        "learning_rate": 2e-5,
        "lora": {"learning_rate": 2e-4},
        "qlora": {"learning_rate": 2e-4},
    }

    def __init__(
        self, weight: Annotated[float, Field(ge=0)] = 0.2, max_kl: Annotated[float, Field(gt=0)] = 2.0
    ) -> None:
        super().__init__(max_kl)
        self.weight = weight

    def answers(self, rows: Sequence[Row], features: Sequence[Feature], part: str) -> Mapping[int, Answers]:
        """Chosen, rejected."""
        return pairs_of(self._run, rows, features, f"the {part} rows")

    def objective(self, now: Sums, start: Sums, of: Sequence[int], part: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The margin is of the mean log-probabilities of tokens."""
        better, worse = now.means.unbind(1)
        return -better + self.weight * orpo_loss(better, worse), better - worse

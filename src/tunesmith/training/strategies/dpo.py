"""Better answers become likelier than worse ones: direct preference optimisation (Rafailov et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Feature, Row
from tunesmith.training.strategies.answer_pairs import ROLE, pairs_of
from tunesmith.training.strategies.preference import Answers, Preference, Sums
from tunesmith.training.strategies.preferred import dpo_loss

if TYPE_CHECKING:
    import torch


class Dpo(Preference):
    """``preferred.dpo_loss`` of pairs of answers, in the place of the task's loss.

    What the start finds of the answers is computed once, before the first step: there is no second model.

    Args:
        beta: how dear it is to leave the start.
        smoothing: share of pairs that may stand the wrong way round (Mitchell 2023, cDPO).
        average: compare means over an answer's tokens and not sums, so that long answers weigh no more; beta is then
            to be about as many times larger as answers have tokens (Lambert et al. 2024, 5.1).
        sft: weight of the better answer's negative log-likelihood a token (Pang et al. 2024, eq. 1).
        max_kl: nats a token that the model may be away from its start; beyond it the run ends.
    """

    name: ClassVar[str] = "dpo"
    summary: ClassVar[str] = "better answers become likelier than worse ones (Rafailov et al. 2023)"
    reads = (ROLE,)

    def __init__(
        self,
        beta: Annotated[float, Field(gt=0)] = 0.1,
        smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0,
        average: bool = False,
        sft: Annotated[float, Field(ge=0)] = 0.0,
        max_kl: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__(max_kl)
        self.beta, self.smoothing, self.average, self.sft = beta, smoothing, average, sft

    def answers(self, rows: Sequence[Row], features: Sequence[Feature], part: str) -> Mapping[int, Answers]:
        """Chosen, rejected."""
        return pairs_of(self._run, rows, features, f"the {part} rows")

    def objective(self, now: Sums, start: Sums, of: Sequence[int], part: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The margin is of the implicit rewards, ``beta (log p - log p_start)``."""
        ratio = (now.means - start.means) if self.average else now.total - start.total
        loss = dpo_loss(ratio[:, 0], ratio[:, 1], self.beta, self.smoothing)
        return loss - self.sft * now.means[:, 0], self.beta * (ratio[:, 0] - ratio[:, 1])

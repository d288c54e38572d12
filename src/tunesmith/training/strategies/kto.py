"""Answers that were found good or bad, one by one: Kahneman-Tversky optimisation (Ethayarajh et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from tunesmith.core.contracts import Feature, Method, Row, Task
from tunesmith.core.errors import DataError
from tunesmith.tasks.preferred import DESIRABLE
from tunesmith.training.strategies import answer_pairs
from tunesmith.training.strategies.answers import Answer, answers_of
from tunesmith.training.strategies.preference import Answers, Preference, Sums
from tunesmith.training.strategies.preferred import kto_drift, kto_loss, kto_weights

if TYPE_CHECKING:
    import torch

ROLE = DESIRABLE


class Kto(Preference):
    """``preferred.kto_loss`` of answers that are each good or bad, in the place of the task's loss.

    Rows say which by ``desirable``; of rows with a ``rejected`` answer, one is good and the other bad. How far the
    model has left its start is estimated by other rows' answers behind each prompt, without a gradient.

    Args:
        beta: how soon a gain or loss is enough.
        good: lambda_D, the weight of good answers; None: so that both kinds count alike in all.
        bad: lambda_U, of bad ones; None: the same.
        max_kl: nats a token that the model may be away from its start; beyond it the run ends.
    """

    name: ClassVar[str] = "kto"
    summary: ClassVar[str] = "answers found good or bad, one by one (Ethayarajh et al. 2024)"
    reads = (f"{ROLE}|{answer_pairs.ROLE}",)

    def __init__(
        self,
        beta: Annotated[float, Field(gt=0)] = 0.1,
        good: Annotated[float, Field(gt=0)] | None = None,
        bad: Annotated[float, Field(gt=0)] | None = None,
        max_kl: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__(max_kl)
        self.beta, self.good, self.bad = beta, good, bad
        self._good: dict[str, dict[int, list[bool]]] = {}

    def fits(self, task: Task, method: Method) -> str | None:
        """As all; the weights are given together or not at all."""
        if (self.good is None) != (self.bad is None):
            return "give both weights, good and bad, or neither."
        return super().fits(task, method)

    def answers(self, rows: Sequence[Row], features: Sequence[Feature], part: str) -> Mapping[int, Answers]:
        """The row's own answers, and another row's answer to the same prompt."""
        what = f"the {part} rows"
        if rows and answer_pairs.ROLE in rows[0] and ROLE not in rows[0]:
            own: dict[int, Answers] = dict(answer_pairs.pairs_of(self._run, rows, features, what))
            self._good[part] = {row: [True, False] for row in own}
        else:
            flags = flags_of(rows, what)
            found = answers_of(self._run.task, self._run.processor, features, what)
            own = {row: (answer,) for row, answer in found.items()}
            self._good[part] = {row: [flags[row]] for row in own}
        kinds = {flag for row in self._good[part].values() for flag in row}
        if part == "training" and len(kinds) < 2:
            kind = "good" if True in kinds else "bad"
            raise DataError(
                f"Of {what}, all answers are {kind}; kto learns from both kinds.", "Give some of the other kind, too."
            )
        others = mismatched([answers[0] for answers in own.values()])
        return {row: (*answers, other) for (row, answers), other in zip(own.items(), others, strict=True)}

    def sums(self, model: Any, answers: Sequence[Answers]) -> Sums:
        """The rows' own answers; those to other prompts without a gradient."""
        import torch

        with torch.no_grad():
            others = self.computed(model, [row[-1:] for row in answers])
        own = self.computed(model, [row[:-1] for row in answers])
        return Sums(torch.cat([own.total, others.total], 1), torch.cat([own.tokens, others.tokens], 1))

    def objective(self, now: Sums, start: Sums, of: Sequence[int], part: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The margin is how far the answers' implicit rewards are on their right side, the mean of a row's."""
        import torch

        ratio = now.total - start.total
        drift = kto_drift(ratio[:, -1])
        good = torch.tensor([self._good[part][i] for i in of], device=ratio.device)
        sign = torch.where(good, 1.0, -1.0)
        loss = kto_loss(ratio[:, :-1], good, drift, self.beta, self._weights())
        return loss.mean(1), (self.beta * sign * (ratio[:, :-1] - drift)).mean(1)

    def _weights(self) -> tuple[float, float]:
        if self.good is not None and self.bad is not None:
            return self.good, self.bad
        flags = [flag for row in self._good["training"].values() for flag in row]
        return kto_weights(sum(flags), len(flags) - sum(flags))


def flags_of(rows: Sequence[Row], what: str) -> list[bool]:
    """Which answers are good.

    Args:
        what: the rows are called in messages.

    Raises:
        DataError: a row does not say.
    """
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get(ROLE), bool):
            raise DataError(
                f'Of {what}, row {number} does not say whether it is "{ROLE}": {row.get(ROLE)!r:.40}.',
                "Give true or false.",
            )
    return [bool(row[ROLE]) for row in rows]


def mismatched(answers: Sequence[Answer]) -> list[Answer]:
    """Each prompt with the answer of the next row that has another prompt."""
    found = []
    for i, one in enumerate(answers):
        after = (answers[(i + step) % len(answers)] for step in range(1, len(answers)))
        other = next((a for a in after if not np.array_equal(a.prompt, one.prompt)), one)
        found.append(Answer(one.prompt, other.written))
    return found

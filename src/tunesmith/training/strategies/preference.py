"""What preference learning has in common: some answers of each row, their log-probabilities now and at the start."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Evidence, Feature, LossFn, PredictorLike, Row
from tunesmith.training.strategies.answers import Answer, batch_of, device_of, padding_of, without_dropout
from tunesmith.training.strategies.drift import at_rest
from tunesmith.training.strategies.near_start import NearStart

if TYPE_CHECKING:
    import torch

Answers = tuple[Answer, ...]
TOKENS = 8192
"""Padded tokens computed together where nothing is learned."""


@dataclass(frozen=True)
class Sums:
    """Of some answers a row.

    Args:
        total: log-probabilities of whole answers, fp32 [rows, answers].
        tokens: how many each answer has, [rows, answers].
    """

    total: torch.Tensor
    tokens: torch.Tensor

    @property
    def means(self) -> torch.Tensor:
        """Log-probabilities of a token, the mean of each answer: [rows, answers]."""
        return self.total / self.tokens

    def at(self, rows: Sequence[int]) -> Sums:
        """Those of some rows."""
        return Sums(self.total[list(rows)], self.tokens[list(rows)])


class Preference(NearStart):
    """A loss of some answers a row, computed in one batch. What the start found of them is computed once and kept.

    Args:
        max_kl: as of ``NearStart``.
    """

    of_start: ClassVar[bool] = True
    """Whether the loss compares with the start."""
    margin: ClassVar[str] = "reward_margin"
    """What evidence calls how much better the better answer is."""
    training: ClassVar[Mapping[str, Any]] = {
        "epochs": 1,
        "batch_size": 8,
        "learning_rate": 5e-6,
        "lora": {"learning_rate": 1e-4},
        "qlora": {"learning_rate": 1e-4},
    }
    choosing: ClassVar[tuple[str, ...]] = ("preference_loss", "reward_accuracy")

    def __init__(self, max_kl: float) -> None:
        super().__init__(max_kl)
        self._answers: dict[str, dict[int, Answers]] = {}
        self._row: list[int] = []
        self._left_out = 0
        self._start: dict[str, Sums] = {}

    @abstractmethod
    def answers(self, rows: Sequence[Row], features: Sequence[Feature], part: str) -> Mapping[int, Answers]:
        """Row -> its answers, as many for each; rows that teach nothing are left out.

        Args:
            part: "training" or "validation".
        """

    @abstractmethod
    def objective(self, now: Sums, start: Sums, of: Sequence[int], part: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of each row [rows] and its margin [rows]: how much better the better answer is to the model.

        Args:
            start: the same as ``now`` where the loss does not compare.
            of: the rows' numbers, among those of the part.
            part: as of ``answers``.
        """

    def data(self, features: list[Feature]) -> list[Feature]:
        """Read the answers; the features stay as they are, but those of rows that teach nothing."""
        run = self._run
        self._answers["training"] = dict(self.answers(run.rows, features, "training"))
        if run.validation:
            self._answers["validation"] = dict(self.answers(run.validation, run.encode(run.validation), "validation"))
        kept = [feature for feature in features if feature["row"] in self._answers["training"]]
        self._row, self._left_out = [feature["row"] for feature in kept], len(run.rows) - len(kept)
        return kept

    def prompts(self) -> Sequence[np.ndarray]:
        """Of the first answers."""
        return [answers[0].prompt for answers in self._answers["training"].values()]

    def begin(self) -> None:
        """What the start finds of all answers, and what it writes."""
        super().begin()
        if self.of_start:
            self._start = {part: self._all(answers) for part, answers in self._answers.items()}

    def loss(self, compute: LossFn) -> LossFn:
        """The objective, in the place of the task's loss."""

        def preferred(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            if not model.training:
                return compute(model, batch)
            self.begin_once()
            rows = [self._row[i] for i in self._run.indices]
            without_dropout(model)
            now = self.sums(model, [self._answers["training"][row] for row in rows])
            loss, margin = self.objective(now, self._of_start("training", rows, now), rows, "training")
            right = (margin > 0).float() + 0.5 * (margin == 0).float()
            self.saw(margin=float(margin.detach().mean()), accuracy=float(right.mean()))
            return loss.mean(), None

        return preferred

    def sums(self, model: Any, answers: Sequence[Answers]) -> Sums:
        """All answers of each row in one pass."""
        return self.computed(model, answers)

    def validate(self, predictor: PredictorLike, rows: Sequence[Row], features: Sequence[Feature]) -> Evidence:
        """``preference_loss`` and the margin of each row."""
        import torch

        self.begin_once()
        with torch.no_grad():
            now, numbers = self._all(self._answers["validation"]), list(self._answers["validation"])
            loss, margin = self.objective(now, self._of_start("validation", numbers, now), numbers, "validation")
        return {"preference_loss": loss.double().numpy(), self.margin: margin.double().numpy()}

    def facts(self) -> dict[str, Any]:
        """And how many rows taught nothing."""
        found = super().facts()
        if self._left_out:
            found["words"] += f" {self._left_out} rows were left out: their answers do not fit, or do not differ."
        return {**found, "left_out": self._left_out}

    def state(self) -> dict[str, Any]:
        """And what the start found."""
        kept: dict[str, Any] = {}
        for part, found in self._start.items():
            kept |= {f"start.{part}.total": found.total, f"start.{part}.tokens": found.tokens}
        return {**super().state(), **kept}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take back what ``state`` returned."""
        super().load_state(state)
        parts = {key.split(".")[1] for key in state if key.startswith("start.")}
        self._start = {part: Sums(state[f"start.{part}.total"], state[f"start.{part}.tokens"]) for part in parts}

    def _of_start(self, part: str, rows: Sequence[int], now: Sums) -> Sums:
        if not self.of_start:
            return now
        places = {row: i for i, row in enumerate(self._answers[part])}
        found = self._start[part].at([places[row] for row in rows])
        return Sums(found.total.to(now.total.device), found.tokens.to(now.total.device))

    def _all(self, of: Mapping[int, Answers]) -> Sums:
        """Of any number of rows, in their order, without a gradient, on the CPU."""
        import torch

        from tunesmith.bundle.predictor import batches_by_length

        answers = list(of.values())
        total, tokens = (torch.zeros(len(answers), len(answers[0])) for _ in range(2))
        width = len(answers[0])
        lengths = [max(map(len, row)) for row in answers]
        with at_rest(self._run):
            for some in batches_by_length(lengths, 64, TOKENS // width):
                found = self.sums(self._run.model, [answers[i] for i in some])
                total[some], tokens[some] = found.total.cpu(), found.tokens.cpu().float()
        return Sums(total, tokens)

    def computed(self, model: Any, answers: Sequence[Answers]) -> Sums:
        """Log-probabilities in one pass, with a gradient where the caller has one."""
        import torch

        from tunesmith.models.answer_likelihood import log_probabilities, row_sums

        flat = [answer for row in answers for answer in row]
        found, counts = log_probabilities(model, batch_of(flat, padding_of(self._run), device_of(self._run)))
        tokens = torch.tensor(counts, dtype=torch.float32, device=found.device)
        return Sums(row_sums(found, counts).view(len(answers), -1), tokens.view(len(answers), -1))

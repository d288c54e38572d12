"""Are the answers better than before? Somebody else says: another bundle, or a model behind a URL."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from tunesmith.core.contracts import Check, CheckResult, PredictorLike, Row, Task
from tunesmith.core.errors import TunesmithError
from tunesmith.evaluation.bootstrap import known_mean
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.judges.rubric import question_of
from tunesmith.evaluation.words import number, signed
from tunesmith.tasks.askable import askable

SHOWN = 600
"""Characters of a question or an answer that are kept."""
TRIED, TRIES = "I do not know. 我不知道。", 3
"""An answer that is scored before training, and how often that is tried."""


class Judge(Check):
    """Each answer is scored alone; the mean, and the mean difference to the answers before tuning, with intervals.

    A judge that fails before training is an error; one that fails after it leaves the figure undefined.

    Args:
        by: a bundle's folder, or the URL of a service that speaks OpenAI's chat completions (``https://HOST/v1``).
        model: as that service calls it.
        key: name of the environment variable with the service's key; the key itself is written nowhere.
        label: of a bundle that classifies, the label of good answers.
        criterion: what is judged, in words; "": right, to the point, well written.
        rows: at most so many test rows, the first that can be asked in an order drawn by the seed.
        timeout: seconds for one reply.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of draws.
    """

    name = "judge"
    summary = "whether another model (a bundle, a URL) finds the answers better than before tuning"

    def __init__(
        self,
        by: str,
        model: str = "",
        key: str = "",
        label: str = "",
        criterion: str = "",
        rows: Annotated[int, Field(ge=2)] = 50,
        timeout: Annotated[float, Field(gt=0)] = 60.0,
        resamples: Annotated[int, Field(ge=100)] = 1000,
        confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95,
        seed: int = 13,
    ) -> None:
        self._judge: Any
        if by.startswith(("http://", "https://")):
            from tunesmith.evaluation.judges.over_http import HttpJudge

            self._judge = HttpJudge(by, model, key, criterion, timeout)
        else:
            from tunesmith.evaluation.judges.by_bundle import BundleJudge

            self._judge = BundleJudge(by, label, criterion)
        self.rows, self.resamples, self.confidence, self.seed = rows, resamples, confidence, seed
        self._was: tuple[list[str], Array] | None = None
        self._too_long = 0

    def fits(self, task: Task) -> str | None:
        """It reads answers."""
        return None if "text" in task.response_model().model_fields else f"it reads texts, and {task.name} writes none."

    def ready(self, rows: Sequence[Row]) -> None:
        """Let it score an answer, whatever the score is.

        Raises:
            TunesmithError: the judge cannot be asked, or tells no score.
        """
        told = (self._judge([(question_of(row), TRIED)]) for row in self._drawn(rows)[:TRIES])
        if not any(score is not None for scores in told for score in scores):
            raise TunesmithError(
                f"The judge, {self._judge.name}, told no score from 1 to 10 that can be read, in {TRIES} replies.",
                "Take a model that follows instructions, or a bundle that classifies.",
            )

    def before(self, predictor: PredictorLike, rows: Sequence[Row]) -> None:
        """Score the answers of the model as it was.

        Raises:
            TunesmithError: the judge cannot be asked.
        """
        self._was = self._scored(predictor, self._asked(predictor, rows))

    def check(self, predictor: PredictorLike, rows: Sequence[Row]) -> CheckResult:
        """Score the answers to ``rows``, and compare."""
        try:
            drawn = self._asked(predictor, rows)
            answers, scores = self._scored(predictor, drawn)
        except TunesmithError as error:
            nan = float("nan")
            return CheckResult(self.name, nan, nan, nan, f"Not judged: {error.problem}")
        was = np.full(len(scores), np.nan) if self._was is None else self._was[1]
        before = [""] * len(answers) if self._was is None else self._was[0]
        return self._result(drawn, answers, scores, before, was)

    def _drawn(self, rows: Sequence[Row]) -> list[Row]:
        count = min(self.rows, len(rows))
        return [rows[i] for i in sorted(random.Random(self.seed).sample(range(len(rows)), count))]

    def _asked(self, predictor: PredictorLike, rows: Sequence[Row]) -> list[Row]:
        """The first of the draw that can be asked, in the rows' order; no more rows are looked at than it takes.

        Raises:
            DataError: there are none.
        """
        order = random.Random(self.seed).sample(range(len(rows)), len(rows))
        able: list[int] = []
        seen = 0
        while len(able) < self.rows and seen < len(order):
            some = order[seen : seen + self.rows - len(able)]
            seen += len(some)
            able += [some[i] for i in askable(predictor.encode, [rows[i] for i in some])[0]]
        if not able:
            predictor.encode(rows[:1])  # which says why
        self._too_long = seen - len(able)
        return [rows[i] for i in sorted(able)]

    def _scored(self, predictor: PredictorLike, rows: Sequence[Row]) -> tuple[list[str], Array]:
        """Answers, and their scores; NaN where the judge told none."""
        answers = [str(prediction["text"]) for prediction in predictor.predict(rows)]
        told = self._judge([(question_of(row), answer) for row, answer in zip(rows, answers, strict=True)])
        return answers, np.array([np.nan if score is None else score for score in told])

    def _result(
        self, rows: Sequence[Row], answers: Sequence[str], scores: Array, before: Sequence[str], was: Array
    ) -> CheckResult:
        mean = self._mean(scores)
        details: dict[str, Any] = {
            "judge": self._judge.name, "answers": len(scores), "unread": int(np.isnan(scores).sum()),
        }  # fmt: skip
        verdict = f"{self._judge.name} gives {number(mean['value'])} ({number(mean['low'])} to {number(mean['high'])})"
        if np.isfinite(was).any():
            gain = self._mean(scores - was)
            details |= {"before": self._mean(was), "difference": gain, "better": float(np.mean(scores > was)),
                        "worse": float(np.mean(scores < was))}  # fmt: skip
            verdict = f"{_word(gain)}: {verdict}, {signed(gain['value'])} against before"
            verdict += f" ({signed(gain['low'])} to {signed(gain['high'])})"
        worst = [
            {
                "question": question_of(rows[i])[:SHOWN], "answer": answers[i][:SHOWN], "score": float(scores[i]),
                "before": before[i][:SHOWN], "score_before": None if np.isnan(was[i]) else float(was[i]),
            }
            for i in np.argsort(scores, kind="stable")[:5].tolist()
            if not np.isnan(scores[i])
        ]  # fmt: skip
        if details["unread"]:
            verdict += f"; {details['unread']} of {len(scores)} replies told no score"
        if self._too_long:
            details["too_long"] = self._too_long
            verdict += f"; {self._too_long} rows that were drawn are too long to be asked"
        verdict = f"{verdict[0].upper()}{verdict[1:]}."
        return CheckResult(self.name, mean["value"], mean["low"], mean["high"], verdict, worst, details)

    def _mean(self, values: Array) -> dict[str, float]:
        return known_mean(values, self.resamples, self.confidence, self.seed).to_json()


def _word(gain: dict[str, float]) -> str:
    if gain["low"] > 0:
        return "Better"
    return "Worse" if gain["high"] < 0 else "Not clearly better or worse"

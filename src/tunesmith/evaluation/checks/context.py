"""Does the model grasp what it reads: is its answer the same in a longer text, in another order, in other words?"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from tunesmith.core.contracts import Check, CheckResult, PredictorLike, Row, Task
from tunesmith.core.errors import DataError
from tunesmith.evaluation.bootstrap import known_mean
from tunesmith.evaluation.context_variants import ROLES, VARIANTS, contradicted, role_of
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.words import number, signed

SHOWN = 400
"""Characters of a text that are kept."""
ANSWERS = frozenset({"label", "labels", "value", "choice", "answer"})
"""What an answer must hold that is to stay: one that is written, or a vector, is another for another text."""
POINTING = frozenset({"words", "head", "tail", "predicate"})
"""Roles that point at places of the text."""
NEAR = 0.1
"""Numbers as near as this share of the targets' standard deviation are the same: such a move is a hundredth of the
targets' variance, so that the model's R squared cannot tell it from none."""
PLACES = frozenset({"start", "end", "score", "scores", "offset", "spans", "windows"})
"""What a prediction says of places and probabilities: it moves with the text."""


class Context(Check):
    """Context consistency: the share of answers that stay as they are under a longer, shuffled or reworded text.

    A text that a variant does not change does not count for it. Numbers stay that move by no more than a tenth of the
    standard deviation of the rows' own. An answer that is cut out of the text is not asked for in other words. Beside
    them, under a text of another label that says
    otherwise: the share of rows in which the model's confidence in its answer falls, or the answer changes
    ("noticed"); a model that reads only the first words notices nothing.

    Args:
        rows: at most so many test rows, drawn by the seed.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of draws.
    """

    name = "context"
    summary = "whether answers stay under a longer, shuffled or reworded text, and notice a contradiction"

    def __init__(
        self,
        rows: Annotated[int, Field(ge=2)] = 100,
        resamples: Annotated[int, Field(ge=100)] = 1000,
        confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95,
        seed: int = 13,
    ) -> None:
        self.rows, self.resamples, self.confidence, self.seed = rows, resamples, confidence, seed
        self._was: dict[str, Array] | None = None

    def fits(self, task: Task) -> str | None:
        """It needs a text that may be changed, and an answer that should stay."""
        read = {column.role for column in task.columns if not column.target}
        if not read & set(ROLES):
            return f"rows of {task.name} hold no text that could be changed."
        if read & POINTING:
            return f"rows of {task.name} point at places of their text, which another text moves."
        if not set(task.response_model().model_fields) & ANSWERS:
            return f"what {task.name} answers to another text may be another answer, and right."
        return None

    def ready(self, rows: Sequence[Row]) -> None:
        """Some row must have a text.

        Raises:
            DataError: none has.
        """
        if not self._drawn(rows):
            raise DataError("The check context changes texts, and no test row has one.", "Leave it out.")

    def before(self, predictor: PredictorLike, rows: Sequence[Row]) -> None:
        """The same of the model as it was."""
        self._was = self._asked(predictor, self._drawn(rows))[0]

    def check(self, predictor: PredictorLike, rows: Sequence[Row]) -> CheckResult:
        """Ask each row again, otherwise."""
        kept, worst = self._asked(predictor, self._drawn(rows))
        parts = {name: self._mean(values) for name, values in kept.items()}
        own = self._mean(_together(kept))
        details: dict[str, Any] = {
            "parts": parts,
            "asked": {name: int(np.isfinite(v).sum()) for name, v in kept.items()},
        }
        told = ", ".join(f"{name} {number(parts[name]['value'])}" for name in VARIANTS if name in parts)
        verdict = f"{number(own['value'])} of the answers stay ({number(own['low'])} to {number(own['high'])}): {told}"
        if "noticed" in parts:
            verdict += f"; a contradiction is noticed in {number(parts['noticed']['value'])}"
        if self._was is not None:
            was = {name: self._mean(values) for name, values in self._was.items()}
            gap = self._mean(_together(kept) - _together(self._was))
            details |= {"before": {"all": self._mean(_together(self._was)), "parts": was}, "difference": gap}
            verdict += f". Against before {signed(gap['value'])} ({signed(gap['low'])} to {signed(gap['high'])})"
        return CheckResult(self.name, own["value"], own["low"], own["high"], f"{verdict}.", worst, details)

    def _drawn(self, rows: Sequence[Row]) -> list[Row]:
        able = [row for row in rows if role_of(row) is not None]
        count = min(self.rows, len(able))
        return [able[i] for i in sorted(random.Random(self.seed).sample(range(len(able)), count))]

    def _asked(self, predictor: PredictorLike, rows: Sequence[Row]) -> tuple[dict[str, Array], list[dict[str, Any]]]:
        """For each variant 1 where the answer stayed, 0 where not, NaN where the text did; and what did not stay."""
        asked = [_inputs(predictor, row) for row in rows]
        answers = predictor.predict(asked) if asked else []
        within = tolerance(rows) if answers and "value" in answers[0] else 0.0
        kept: dict[str, Array] = {}
        worst: list[dict[str, Any]] = []
        for name, change in VARIANTS.items():
            if name == "reworded" and answers and "answer" in answers[0]:  # other words, and so another answer
                kept[name] = np.full(len(asked), np.nan)
                continue
            changed = [_changed(row, change(_text(row), random.Random(f"{self.seed}/{_text(row)}"))) for row in asked]
            places = [i for i, (row, other) in enumerate(zip(asked, changed, strict=True)) if row != other]
            found = predictor.predict([changed[i] for i in places]) if places else []
            values = np.full(len(asked), np.nan)
            for i, prediction in zip(places, found, strict=True):
                values[i] = same(answers[i], prediction, within)
                if not values[i] and len(worst) < 8:
                    worst.append(
                        {"variant": name, "text": _text(changed[i])[:SHOWN], "answer": said(answers[i])[:SHOWN],
                         "otherwise": said(prediction)[:SHOWN]}
                    )  # fmt: skip
            kept[name] = values
        noticed = self._noticed(predictor, rows, asked, answers)
        return ({**kept, "noticed": noticed} if noticed is not None else kept), worst

    def _noticed(
        self, predictor: PredictorLike, rows: Sequence[Row], asked: Sequence[Row], answers: Sequence[Mapping[str, Any]]
    ) -> Array | None:
        """1 where another label's text behind the row's moves the answer away; None where there are no labels."""
        if not all("label" in row and "score" in answer for row, answer in zip(rows, answers, strict=True)) or not rows:
            return None
        draw_other = random.Random(self.seed)
        others = [[other for other in rows if other["label"] != row["label"]] for row in rows]
        places = [i for i, some in enumerate(others) if some]
        changed = [
            _changed(asked[i], contradicted(_text(asked[i]), _text(draw_other.choice(others[i])))) for i in places
        ]
        found = predictor.predict(changed) if changed else []
        values = np.full(len(rows), np.nan)
        for i, prediction in zip(places, found, strict=True):
            values[i] = said(answers[i]) != said(prediction) or prediction["score"] < answers[i]["score"]
        return values

    def _mean(self, values: Array) -> dict[str, float]:
        return known_mean(values, self.resamples, self.confidence, self.seed).to_json()


def same(one: Mapping[str, Any], other: Mapping[str, Any], within: float) -> bool:
    """Whether two predictions say the same.

    Args:
        within: numbers that are no further apart are the same.

    >>> same({"value": 3.2}, {"value": 3.3}, 0.05), same({"value": 3.2}, {"value": 3.24}, 0.05)
    (False, True)
    """
    if "value" in one:
        return bool(abs(one["value"] - other["value"]) <= within)
    return said(one) == said(other)


def tolerance(rows: Sequence[Row]) -> float:
    """A tenth of the standard deviation of the rows' numbers; they are where text-regression has them."""
    return NEAR * float(np.std([float(str(row["label"])) for row in rows]))


def said(prediction: Mapping[str, Any]) -> str:
    """What a prediction says, without places and probabilities: a label, a choice, a text, a number.

    >>> said({"label": "good", "score": 0.7}), said({"text": "Rome", "start": 4, "end": 8, "score": 0.2})
    ('good', 'Rome')
    """
    for key in ("label", "text"):
        if key in prediction:
            return str(prediction[key])
    if "value" in prediction:
        return number(prediction["value"])
    rest = {key: value for key, value in prediction.items() if key not in PLACES and not isinstance(value, float)}
    return json.dumps(rest, ensure_ascii=False, sort_keys=True)


def _together(kept: Mapping[str, Array]) -> Array:
    """For each row the mean over the variants that changed it."""
    stacked = np.stack([kept[name] for name in VARIANTS])
    count = np.isfinite(stacked).sum(axis=0)
    total = np.nansum(stacked, axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _inputs(predictor: PredictorLike, row: Row) -> dict[str, Any]:
    wanted = {column.role for column in predictor.task.columns if not column.target}
    return {key: value for key, value in row.items() if key in wanted}


def _text(row: Row) -> str:
    return str(row[role_of(row) or "text"])


def _changed(row: Row, text: str) -> dict[str, Any]:
    return {**row, role_of(row) or "text": text}

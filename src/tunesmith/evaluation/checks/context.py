"""Does the model grasp what it reads: is its answer the same in a longer text, in another order, in other words?"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from tunesmith.core.contracts import Check, CheckResult, PredictorLike, Row
from tunesmith.evaluation.bootstrap import known_mean
from tunesmith.evaluation.context_variants import VARIANTS, contradicted, role_of
from tunesmith.evaluation.evidence import Array
from tunesmith.evaluation.words import number, signed

SHOWN = 400
"""Characters of a text that are kept."""
PLACES = frozenset({"start", "end", "score", "scores", "offset", "spans", "windows"})
"""What a prediction says of places and probabilities: it moves with the text."""


class Context(Check):
    """Context consistency: the share of answers that stay as they are under a longer, shuffled or reworded text.

    A text that a variant does not change does not count for it. Beside them, under a text of another label that says
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
        kept: dict[str, Array] = {}
        worst: list[dict[str, Any]] = []
        for name, change in VARIANTS.items():
            changed = [_changed(row, change(_text(row), random.Random(f"{self.seed}/{_text(row)}"))) for row in asked]
            places = [i for i, (row, other) in enumerate(zip(asked, changed, strict=True)) if row != other]
            found = predictor.predict([changed[i] for i in places]) if places else []
            values = np.full(len(asked), np.nan)
            for i, prediction in zip(places, found, strict=True):
                values[i] = said(answers[i]) == said(prediction)
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


def said(prediction: Mapping[str, Any]) -> str:
    """What a prediction says, without places and probabilities: a label, a choice, a text, or all texts of spans.

    >>> said({"label": "good", "score": 0.7}), said({"text": "Rome", "start": 4, "end": 8, "score": 0.2})
    ('good', 'Rome')
    """
    for key in ("label", "text"):
        if key in prediction:
            return str(prediction[key])
    if "spans" in prediction:
        return " | ".join(sorted(f"{span.get('text')}/{span.get('label', '')}" for span in prediction["spans"]))
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

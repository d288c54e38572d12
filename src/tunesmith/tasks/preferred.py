"""Rows that say which of two answers people preferred: how likely a model finds each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Feature, PredictorLike, Row, Task
from tunesmith.tasks.fitted import last_answer

REJECTED, DESIRABLE = "rejected", "desirable"
"""Roles: the worse answer of a row, and whether its answer is good."""


def with_answer(task: Task, row: Row, text: str) -> Row:
    """The row with another answer in its target's place, and nothing said of preferences.

    Of a conversation it is the last message.
    """
    plain = {role: value for role, value in row.items() if role not in (REJECTED, DESIRABLE)}
    for column in task.columns:
        if column.kind == "messages":
            *before, last = row[column.role]
            return {**plain, column.role: [*before, {**last, "content": text}]}
    return {**plain, next(column.role for column in task.columns if column.target): text}


def preferences(
    task: Task, predictor: PredictorLike, rows: Sequence[Row], features: Sequence[Feature], scores: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Evidence of rows with a worse answer; {} where none has one. NaN in rows without one, or that do not fit.

    Args:
        features: of the rows, targets included, one a row.
        scores: log-probabilities of their targets' tokens.

    Returns:
        ``chosen_log_likelihood`` and ``rejected_log_likelihood`` of the last answers, and ``preference_margin``: how
        much likelier a token of the better one is, the mean of each. float64 [rows].
    """
    able = [i for i, row in enumerate(rows) if isinstance(row.get(REJECTED), str)]
    if not able:
        return {}
    worse = predictor.encode([with_answer(task, rows[i], rows[i][REJECTED]) for i in able], targets=True)
    chosen = _of_last(features, scores, range(len(rows)), len(rows))
    rejected = _of_last(worse, predictor.score(worse), able, len(rows))
    margin = chosen[:, 0] / chosen[:, 1] - rejected[:, 0] / rejected[:, 1]
    return {
        "chosen_log_likelihood": np.where(np.isnan(margin), np.nan, chosen[:, 0]),
        "rejected_log_likelihood": np.where(np.isnan(margin), np.nan, rejected[:, 0]),
        "preference_margin": margin,
    }


def _of_last(features: Sequence[Feature], scores: Sequence[np.ndarray], places: Sequence[int], rows: int) -> np.ndarray:
    """The last answers' log-likelihood and number of tokens, float64 [rows, 2]; NaN where there is none."""
    found = np.full((rows, 2), np.nan)
    for place, feature, each in zip(places, features, scores, strict=True):
        target: Any = feature["target"]
        tokens = int((target[last_answer(target) :] != -100).sum())
        if tokens:
            found[place] = each[len(each) - tokens :].sum(dtype=np.float64), tokens
    return found

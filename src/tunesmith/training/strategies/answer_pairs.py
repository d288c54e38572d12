"""Pairs of a better and a worse answer to one prompt, out of the rows' role ``rejected``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Feature, Row
from tunesmith.core.errors import DataError
from tunesmith.tasks.preferred import REJECTED, with_answer
from tunesmith.training.strategies.answers import Answer, answers_of

ROLE = REJECTED
ALIKE = 8
"""Tokens at the end of two prompts that must be the same, where one has lost earlier turns."""


def pairs_of(run: Any, rows: Sequence[Row], features: Sequence[Feature], what: str) -> dict[int, tuple[Answer, Answer]]:
    """Row -> its chosen and its rejected answer, behind the same prompt.

    Rows whose answers do not fit into the window, or are the same as far as they do, are left out.

    Args:
        run: the loop's RunState.
        features: of the rows, with the chosen answers.
        what: the rows are called in messages ("the training rows").

    Raises:
        DataError: a row has no worse answer, or answers another question with it.
    """
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get(ROLE), str) or not row[ROLE].strip():
            raise DataError(f'Of {what}, row {number} has no "{ROLE}" answer.', "Each row needs a worse answer, too.")
    worse = run.encode([with_answer(run.task, row, row[ROLE]) for row in rows])
    chosen = answers_of(run.task, run.processor, features, what)
    rejected = answers_of(run.task, run.processor, worse, what)
    found: dict[int, tuple[Answer, Answer]] = {}
    for place in sorted(chosen.keys() & rejected.keys()):
        better, other = chosen[place], rejected[place]
        prompt = shared_prompt(better.prompt, other.prompt)
        if prompt is None:
            raise DataError(
                f"Of {what}, row {place + 1} has another prompt before its rejected answer than before the chosen one.",
                "Look at the chat template: it writes a question otherwise for another answer.",
            )
        if not np.array_equal(better.written, other.written):
            found[place] = (Answer(prompt, better.written), Answer(prompt, other.written))
    if rows and not found:
        raise DataError(f"Of {what}, none has two answers that fit into the window.", "Set model.max_length higher.")
    return found


def shared_prompt(one: np.ndarray, other: np.ndarray) -> np.ndarray | None:
    """The prompt of both: where a long answer has cost one of them earlier turns, what is left. None: they differ.

    >>> shared_prompt(np.arange(20), np.arange(10, 20)).tolist() == list(range(10, 20))
    True
    """
    short, long = sorted((one, other), key=len)
    if len(short) == len(long):
        return one if np.array_equal(one, other) else None
    kept = min(ALIKE, len(short))
    return short if np.array_equal(short[-kept:], long[-kept:]) else None

"""Pairs of a better and a worse answer to one prompt, out of the rows' role ``rejected``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Feature, Row
from tunesmith.core.errors import DataError
from tunesmith.training.strategies.answers import Answer, answers_of, read_answers, with_answer

ROLE = "rejected"


def pairs_of(run: Any, rows: Sequence[Row], features: Sequence[Feature], what: str) -> list[tuple[Answer, Answer]]:
    """The chosen and the rejected answer of each row, behind the same prompt.

    Args:
        run: the loop's RunState.
        features: of the rows, with the chosen answers.
        what: the rows are called in messages ("the training rows").

    Raises:
        DataError: a row has no worse answer, or both are the same, or their prompts are cut to different lengths.
    """
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get(ROLE), str) or not row[ROLE].strip():
            raise DataError(f'Of {what}, row {number} has no "{ROLE}" answer.', "Each row needs a worse answer, too.")
    chosen = read_answers(run.task, run.processor, features, len(rows), what)
    worse = [with_answer(run.task, row, row[ROLE]) for row in rows]
    rejected = answers_of(run, worse, f"{what} with their rejected answers")
    for number, (one, other) in enumerate(zip(chosen, rejected, strict=True), 1):
        if not np.array_equal(one.prompt, other.prompt):
            raise DataError(
                f"Of {what}, row {number} has prompts that differ for both answers: one of them was cut.",
                "Set model.max_length higher, or leave the row out.",
            )
        if np.array_equal(one.written, other.written):
            raise DataError(
                f"Of {what}, row {number} has the same answer as chosen and as rejected, as the model reads them.",
                "Leave the row out, or set model.max_length higher where both were cut.",
            )
    return list(zip(chosen, rejected, strict=True))

"""Which rows of a file to label next: what a bundle is unsure of, and what is unlike the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.bundle.answers import headline
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.questions import Question, columns_of, from_rows
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.rows import inputs_only
from tunesmith.core.contracts import Row, Task
from tunesmith.core.errors import DataError, RecipeError, did_you_mean
from tunesmith.data.read import read
from tunesmith.pipeline.seen import decisions, refuse_vectors, vectors
from tunesmith.search.active import CHOICES, MEASURES, NEED_DECISIONS, NEED_VECTORS, Pool, choose, uncertainties


@dataclass(frozen=True)
class Picked:
    """A row to label.

    Args:
        question: what the file held.
        suggestion: the bundle's answer in a word.
        uncertainty: by the measure that was asked for, or by margin; None where the task has no probabilities.
    """

    question: Question
    suggestion: str
    uncertainty: float | None


@dataclass(frozen=True)
class Query:
    """What was chosen, the most wanted first, and of how many."""

    picked: list[Picked]
    rows: int
    unread: list[Question]
    """Rows without a text."""


def query(
    bundle_path: str | Path,
    file: str,
    *,
    by: str = "margin",
    count: int = 100,
    columns: Mapping[str, str] | None = None,
    known: str | None = None,
    seed: int = 13,
) -> Query:
    """Choose rows of a file to be labelled.

    Rows of the same text are taken once.

    Args:
        by: a name in ``search.active.CHOICES``.
        count: how many rows.
        columns: role -> column of the file; absent: the columns that the bundle was trained on, or guessed.
        known: a file of rows that are labelled: their texts are left out, and "diversity" keeps away from them.
        seed: of what is drawn.

    Raises:
        RecipeError: there is no such choice, or it does not fit the bundle's task.
        DataError: the file cannot be read, or has nothing to choose from.
    """
    if by not in CHOICES:
        raise RecipeError(f'--by is "{by}".', did_you_mean(by, CHOICES))
    bundle = read_bundle(bundle_path)
    if bundle.task.name == "mixture":
        raise RecipeError("A mixture answers several questions about a row.", "Query a bundle of one of its tasks.")
    labelled = by_inputs(bundle.task, _questions(bundle, known, columns or {})) if known else {}
    found = _questions(bundle, file, columns or {})
    asked = {text: q for text, q in by_inputs(bundle.task, found).items() if text not in labelled}
    if not asked:
        raise DataError(f"{file} has no row to choose: none has a text that is not labelled.", "Give other rows.")
    rows = [question.row or {} for question in asked.values()]
    pool, answers, unsure = _seen(bundle, rows, [q.row or {} for q in labelled.values()], by)
    chosen = choose(pool, by, min(count, len(rows)), seed)
    questions = list(asked.values())
    picked = [Picked(questions[i], answers[i], None if unsure is None else float(unsure[i])) for i in chosen]
    return Query(picked, len(found), [question for question in found if question.row is None])


def _seen(
    bundle: Bundle, rows: Sequence[Row], labelled: Sequence[Row], by: str
) -> tuple[Pool, list[str], np.ndarray | None]:
    """The pool, each row's answer in a word, and its uncertainty."""
    predictor = bundle.predictor()
    _refuse_early(bundle.task, predictor, rows[0], by)
    features, arrays = predictor.outputs(rows)
    answers = bundle.task.decode(arrays, features)
    weights = "|".join(sorted(record.sha256 for name, record in bundle.manifest.files.items() if "safetens" in name))
    found = unsure = places = known = None
    try:
        found = decisions(bundle.task, features, arrays, answers)
        unsure = uncertainties(found, by if by in MEASURES else "margin")
    except RecipeError:
        if by in NEED_DECISIONS:
            raise
    if by == "badge" and len({p.shape for p in found or ()}) > 1:
        raise RecipeError(f"badge needs the same decisions of every row; {bundle.task.name} has others.", "--by both")
    if by in NEED_VECTORS:
        places = vectors(bundle.task, predictor, features, answers, weights)
        if labelled:
            seen, made = predictor.outputs(labelled)
            known = vectors(bundle.task, predictor, seen, bundle.task.decode(made, seen), weights)
    return Pool(found, places, known), [headline(answer) for answer in answers], unsure


def _refuse_early(task: Task, predictor: Predictor, row: Row, by: str) -> None:
    """What a choice needs is asked of one row, before all are answered: writing answers to a file takes hours."""
    if by not in (*NEED_DECISIONS, *NEED_VECTORS):
        return
    features, arrays = predictor.outputs([row])
    (answer,) = answers = task.decode(arrays, features)
    if by in NEED_DECISIONS:
        decisions(task, features, arrays, answers)
    if by in NEED_VECTORS and answer.get("vector") is None:
        refuse_vectors(task, predictor)


def _questions(bundle: Bundle, file: str, columns: Mapping[str, str]) -> list[Question]:
    trained = (bundle.manifest.recipe.get("data") or {}).get("columns") or {}
    rows = read(file)
    return list(from_rows(bundle.task, rows, columns_of(bundle.task, rows, columns, trained)))


def by_inputs(task: Task, questions: Sequence[Question]) -> dict[str, Question]:
    """The questions that can be asked, by what they ask, whether or not an answer stands beside; of equal ones the
    first.
    """
    found: dict[str, Question] = {}
    for question in questions:
        if question.row is not None:
            (asked,) = inputs_only(task, [question.row])
            found.setdefault(json.dumps(asked, ensure_ascii=False, sort_keys=True, default=str), question)
    return found


def suggestion(picked: Picked) -> dict[str, Any]:
    """What stands beside a row in the file: ``suggestion`` and ``uncertainty``."""
    return {"suggestion": picked.suggestion, "uncertainty": picked.uncertainty}

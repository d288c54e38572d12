"""What is asked of a bundle, one after the other: from texts, lines, or a data file; and the answers to all of it.

A question that has no text is not dropped: its answer is empty and says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.bundle.columns import Columns, cells, there, unread
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.rows import as_row, input_columns, rows_in_shape
from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.core.errors import DataError
from tunesmith.data.shapes.media_columns import TASKS as MEDIA_TASKS
from tunesmith.data.shapes.settle import cells_of, media_folder, shape_of
from tunesmith.data.surrogates import whole
from tunesmith.tasks.mixture import PART, Mixture

if TYPE_CHECKING:
    from tunesmith.data.rows import Rows

Tell = Callable[[str], None]
"""Takes a sentence about what is not read."""
_JSON = re.compile(r"\ufeff?\s*(\{|\[\s*([\[{\"\]]|$))")
"""How a first line of JSON begins. "[1] as was said" is a text."""


@dataclass(frozen=True)
class Question:
    """What was given, and the row that it is; or what is wrong with it."""

    given: Row
    row: Row | None
    problem: str = ""


def from_texts(task: Task, texts: Iterable[str]) -> Iterator[Question]:
    """A question for each text."""
    role = input_columns(task)[0].role
    for text in map(whole, texts):
        asked = _question(task, {role: text}, {role: text})
        yield from [asked] if asked.row is None else _asked(task, asked.given, asked.row)


def from_lines(
    task: Task, lines: Iterable[str | bytes | None], columns: Columns, tell: Tell | None = None
) -> Iterator[Question | None]:
    """A question for each line: JSON if the first one begins as JSON does, else texts.

    Lines of JSON are objects; lists and what else is none are answered with their number.

    Args:
        task: what is predicted.
        lines: with or without their ends; bytes are a line that could not be decoded; None is handed on: no more
            are there yet.
        columns: role -> key or keys, for objects whose keys are not the roles.
        tell: behind the last line, is told of each role that no object had.
    """
    objects: bool | None = None
    blank = number = 0
    seen: set[str] = set()
    for line in lines:
        if line is None:
            yield None
            continue
        number += 1
        if isinstance(line, bytes):
            yield Question({"line": line.decode("utf-8", "replace")}, None, f"line {number} cannot be decoded")
            continue
        said = line.rstrip("\r\n")
        if objects is None and not said.strip():
            blank += 1
            continue
        if objects is None:
            objects = _JSON.match(said) is not None
            if not objects:
                yield from _empty(task, blank)
        if not objects:
            yield next(from_texts(task, [said]))
        elif said.strip():
            question = _from_object(task, said, columns, number)
            seen |= set(question.given)
            yield question
    if objects is None:
        yield from _empty(task, blank)
    if objects and tell is not None:
        for told in unread(task, [columns], {**{name: name for name in seen}, **there(columns, seen)}):
            tell(told)


def _empty(task: Task, count: int) -> Iterator[Question]:
    return (next(from_texts(task, [""])) for _ in range(count))


def from_rows(task: Task, rows: Rows, columns: Columns) -> Iterator[Question]:
    """A question for each row of a file, in order; read as it is asked for."""
    from tunesmith.data.roles import roles

    shaped = shape_of(task.name) is not None
    by_role = (cells_of(given, columns) for given in rows) if shaped else roles(rows, columns)
    folder = media_folder(rows)
    for given, row in zip(rows, by_role, strict=True):
        yield from _asked(task, given, row, folder)


def columns_of(task: Task, rows: Rows, *known: Columns, tell: Tell | None = None) -> dict[str, str | list[str]]:
    """Which column of a file is which role: as ``known``, else by the role's name, else guessed.

    Args:
        known: role -> column; the first that has a role counts.
        tell: is told of each known column that is not there, and that nothing is read instead of.

    Raises:
        DataError: nothing can be a role that the task reads.
    """
    from tunesmith.data.schema import guess

    if (shape := shape_of(task.name)) is not None:
        given: dict[str, str | list[str]] = {}
        if task.name in MEDIA_TASKS:  # what is given keeps others from being guessed
            given |= {r: r for one in known for r in one if r in shape.roles and r in rows.columns}
        for one in reversed(known):
            given |= there(one, rows.columns)
        guessed = guess(rows, task=task.name, columns=given).columns
        read = {role: column for role, column in guessed.items() if role in shape.roles}
        if tell is not None:
            for told in unread(task, known, read):
                tell(told)
        return read
    inputs = input_columns(task)
    names = [*known, {c.role: c.role for c in inputs}]
    found: dict[str, str | list[str]] = {}
    for column in inputs:
        able = [found_in[column.role] for c in names if column.role in (found_in := there(c, rows.columns))]
        found |= {column.role: able[0]} if able else {}
    missing = [c.role for c in inputs if c.required and c.role not in found]
    if not missing:
        return found
    with suppress(DataError):
        found = {**guess(rows, task=task.name).columns, **found}
    if missing[0] not in found:
        raise DataError(
            f'No column can be read as "{missing[0]}". Columns: {", ".join(rows.columns)}.',
            f"Name it: --column {missing[0]}=COLUMN",
        )
    return {role: column for role, column in found.items() if role in {c.role for c in inputs}}


def answers(
    predictor: Predictor, questions: Iterable[Question | None], chunk: int = 256
) -> Iterator[tuple[Question, Prediction]]:
    """Each question with its answer, in order, ``chunk`` at a time; at None those that wait for others."""
    some: list[Question] = []
    before = 0
    for question in questions:
        if question is not None:
            some.append(question)
        if len(some) == chunk or question is None:
            yield from _answered(predictor, some, before)
            before, some = before + len(some), []
    yield from _answered(predictor, some, before)


def _answered(predictor: Predictor, some: list[Question], before: int) -> Iterator[tuple[Question, Prediction]]:
    rows = [question.row for question in some if question.row is not None]
    found = iter(predictor.predict(rows, before=before) if rows else [])
    for question in some:
        yield question, no_answer(predictor.task, question.problem) if question.row is None else next(found)


def no_answer(task: Task, problem: str) -> Prediction:
    """An answer of the task's shape without a value, and ``error``."""
    return {**dict.fromkeys(task.response_model().model_fields), "error": problem}


def _question(task: Task, given: Row, row: Row) -> Question:
    if parts := _parts(task):
        return _question_of_parts(parts, given, row)
    first = input_columns(task)[0]
    value = row.get(first.role)
    if first.required and _blank(value):
        return Question(given, None, f"no {first.role}")
    return Question(given, row)


def _question_of_parts(parts: Mapping[str, Task], given: Row, row: Row) -> Question:
    """Empty cells are none: a part is asked only where all that it needs is there."""
    filled = {role: value for role, value in row.items() if not _blank(value)}
    named = filled.get(PART)
    if named is not None and named not in parts:
        return Question(given, None, f'no part is called "{named}"; there are {", ".join(parts)}')
    asked = parts.values() if named is None else [parts[named]]
    needs = [[column.role for column in input_columns(part) if column.required] for part in asked]
    if any(filled.keys() >= set(roles) for roles in needs):
        return Question(given, filled)
    return Question(given, None, f"no {' or '.join(dict.fromkeys(' and '.join(roles) for roles in needs))}")


def _parts(task: Task) -> Mapping[str, Task]:
    """Of a mixture its tasks by name."""
    return task.parts if isinstance(task, Mixture) else {}


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _asked(task: Task, given: Row, cells: Row, folder: Path | None = None) -> Iterator[Question]:
    """A question for each of the task's rows that a row holds; what is no row, or lacks a text, says so."""
    try:
        found = rows_in_shape(task, cells, folder=folder)
    except DataError as error:
        yield Question(given, None, error.problem.removeprefix("Row 1: "))
        return
    yield from (_question(task, given, row) for row in found)


def _from_object(task: Task, line: str, columns: Columns, number: int) -> Question:
    given = _object(line)
    if not isinstance(given, dict):
        kind = "a JSON list; give an object a line" if isinstance(given, list) else "not a JSON object"
        return Question({"line": whole(line)}, None, f"line {number} is {kind}")
    try:
        row = as_row(task, {**given, **cells(given, columns)}, number)
    except DataError as error:
        return Question(given, None, error.problem)
    return _question(task, given, row)


def _object(line: str) -> Any:
    try:
        return whole(json.loads(line.lstrip("\ufeff")))
    except (ValueError, RecursionError):
        return None

"""One job, from its file to its answers: a chunk is asked, written, and counts; then the next."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from tunesmith.bundle.answers import writer
from tunesmith.bundle.questions import Question, columns_of, from_rows, no_answer
from tunesmith.core.contracts import Prediction, Task
from tunesmith.core.errors import DataError
from tunesmith.service.jobs import places
from tunesmith.service.jobs.batch import Batch, append
from tunesmith.service.problems import Refused
from tunesmith.service.safety.guard import Flag

log = logging.getLogger(__name__)

ROWS = 64
CHARACTERS = 16_384
"""Of a chunk, about: a live request that comes while one is computed waits for it."""
ROW_ERRORS = (400, 413, 422, 500)
"""Refusals that may be due to a single row of a chunk."""
PATIENCE = 60.0
"""Seconds after which a job that has to wait asks again."""


class Given(Protocol):
    """What ``asking.ask`` gives."""

    @property
    def predictions(self) -> list[Prediction]:
        """One a row."""
        ...

    @property
    def tokens(self) -> int:
        """What they cost."""
        ...

    @property
    def flags(self) -> list[Flag]:
        """What filters found."""
        ...


Ask = Callable[[Sequence[Any], str], Awaitable[Given]]
"""(rows, request id) -> answers."""


class Cancelled(Exception):
    """The client wants no more."""


def questions(
    path: Path, batch: Batch, task: Task, trained: dict[str, Any], most: int
) -> tuple[Iterator[Question], int]:
    """The file's questions, and how many rows it has.

    Raises:
        DataError: the file cannot be read, or has no column that the task reads.
        Refused: it has too many rows.
    """
    from tunesmith.data.read import read

    rows = read(str(path / f"data{batch.suffix}"))
    if len(rows) > most:
        raise Refused(413, "too_many_rows", f"The file has {len(rows):,} rows; at most {most:,} are taken.")
    for role, column in batch.columns.items():
        if column not in rows.columns:
            there = ", ".join(rows.columns)[:500]
            raise Refused(
                422, "no_such_column", f'{role} is the column "{column}", and there is none. Columns: {there}.'
            )
    broken = (Question({"line": b.text[:1000]}, None, f"line {b.line}: {b.reason}") for b in rows.broken)
    columns = columns_of(task, rows, batch.columns, trained)

    def all_of() -> Iterator[Question]:
        yield from from_rows(task, rows, columns)
        yield from broken  # behind the others: where they stood among them is in their line

    return all_of(), len(rows) + len(rows.broken)


def chunk(remaining: Iterator[Question]) -> list[Question]:
    """The next questions: few rows, and not too much text."""
    some: list[Question] = []
    size = 0
    for question in islice(remaining, ROWS):
        some.append(question)
        size += sum(len(value) for value in (question.row or {}).values() if isinstance(value, str))
        if size >= CHARACTERS:
            break
    return some


async def work(path: Path, batch: Batch, task: Task, remaining: Iterator[Question], ask: Ask) -> Batch:
    """Answer what is not answered yet.

    Raises:
        Cancelled: the client asked for it.
        Refused: the product is not there any more, or the key may not ask it.
    """
    await asyncio.to_thread(lambda: next(islice(remaining, batch.done, batch.done), None))
    while some := await asyncio.to_thread(chunk, remaining):
        if (path / places.CANCEL).exists():
            raise Cancelled
        rows = [question.row for question in some if question.row is not None]
        answers, tokens = await _answered(rows, f"{batch.id}.{batch.done}", task, path, ask) if rows else ([], 0)
        found = iter(answers)
        answered = [(q, no_answer(task, _without(path, q.problem)) if q.row is None else next(found)) for q in some]
        changes: dict[str, Any] = {
            "done": batch.done + len(some),
            "failed": batch.failed + sum("error" in answer for _, answer in answered),
            "tokens": batch.tokens + tokens,
            "total": max(batch.total, batch.done + len(some)),
            "error": None,
        }
        batch = await _whole(partial(append, path, batch, _lines(answered), **changes))
    return batch


def flagged(predictions: Sequence[Prediction], flags: Sequence[Flag]) -> list[Prediction]:
    """Predictions, each with the flags of its row where it has some."""
    own: dict[int, list[dict[str, Any]]] = {}
    for flag in flags:
        own.setdefault(flag["row"], []).append({name: value for name, value in flag.items() if name != "row"})
    return [{**one, "flags": own[row]} if row in own else one for row, one in enumerate(predictions)]


async def _whole(write: Callable[[], Batch]) -> Batch:
    """What a thread writes; whoever is cancelled meanwhile waits for it, so that nobody else writes beside it."""
    writing = asyncio.ensure_future(asyncio.to_thread(write))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise


async def _answered(
    rows: Sequence[Any], request_id: str, task: Task, path: Path, ask: Ask
) -> tuple[list[Prediction], int]:
    """Answers to all rows; where one of them is at fault, it alone has an error.

    A chunk's id is made of the job and the place: asked again after a crash, it is counted once.
    """
    while True:
        try:
            given = await ask(rows, request_id)
            return flagged(given.predictions, given.flags), given.tokens
        except Refused as why:
            if why.status in (429, 503):
                await _pause(min(why.retry_after or 1.0, PATIENCE), path)
                continue
            if why.status not in ROW_ERRORS:
                raise
            problem = _without(path, why.message)
        except Exception:
            log.exception("%s failed", request_id)
            problem = "The service failed on this row."
        if len(rows) == 1:
            return [no_answer(task, problem)], 0
        middle = len(rows) // 2
        first, one = await _answered(rows[:middle], f"{request_id}a", task, path, ask)
        second, other = await _answered(rows[middle:], f"{request_id}b", task, path, ask)
        return first + second, one + other


async def _pause(seconds: float, path: Path) -> None:
    """Wait, unless the client asks for an end meanwhile."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if (path / places.CANCEL).exists():
            raise Cancelled
        await asyncio.sleep(min(left, 0.5))


def _without(path: Path, problem: str) -> str:
    """A row's problem with the job's folder left out: where files lie on our disk is nothing for a client."""
    for own in dict.fromkeys((os.path.realpath(path), os.path.abspath(path), str(path))):
        problem = problem.replace(own, ".")
    return problem


def _lines(answered: Sequence[tuple[Question, Prediction]]) -> bytes:
    text = io.StringIO()
    with writer(text, ".jsonl") as write:
        for question, answer in answered:
            write(question, answer)
    return text.getvalue().encode("utf-8", "replace")


def why(error: Exception, path: Path, batch: Batch) -> tuple[str, str]:
    """(code, message) for the client: its file under its own name, nothing about our disk."""
    if isinstance(error, Refused):
        return error.code, error.message
    if isinstance(error, DataError):
        own = str(path / f"data{batch.suffix}")
        return "unreadable_file", str(error).replace("\n", " ").replace(own, batch.name).replace(str(path), "")
    log.error("%s failed", batch.id, exc_info=error)
    return "internal_error", "The service failed on this job. It was written to its log."

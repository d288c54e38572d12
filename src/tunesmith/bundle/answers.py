"""Answers written as they come: a table to read, JSON, JSON lines, or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, TextIO

from tunesmith.bundle.layout import finite
from tunesmith.bundle.questions import Question
from tunesmith.core.contracts import Prediction
from tunesmith.core.errors import TunesmithError
from tunesmith.core.whole_file import whole_file
from tunesmith.core.width import shorten, width_of

Write = Callable[[Question, Prediction], None]
SPOOL = 8 * 2**20
"""Characters of a table's rows that wait in memory."""
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv")


@contextmanager
def answers_file(path: Path, *, errors: bool = True) -> Iterator[Write]:
    """Write answers into a file, by its suffix; the file appears when all are there.

    Args:
        path: where to.
        errors: whether a table has a column for what could not be answered.

    Raises:
        TunesmithError: the suffix is none of ``SUFFIXES``, or the file cannot be written.
    """
    check_suffix(path)
    with (
        whole_file(path, what="What was predicted") as file,
        writer(file, path.suffix.lower(), errors=errors) as write,
    ):
        yield write


def check_suffix(path: Path) -> None:
    """Raise TunesmithError if no format is known by the file's suffix."""
    if path.suffix.lower() not in SUFFIXES:
        raise TunesmithError(
            f'--output is "{path}", whose ending says no known format.', f"Known: {', '.join(SUFFIXES)}."
        )


@contextmanager
def writer(file: TextIO, form: str, *, errors: bool = True) -> Iterator[Write]:
    """Write answers to an open file as ".json", ".jsonl", ".csv" or ".tsv"."""
    if form == ".json":
        with _json(file) as write:
            yield write
    elif form in (".csv", ".tsv"):
        with _csv(file, "," if form == ".csv" else "\t", errors) as write:
            yield write
    else:
        yield lambda question, answer: print(_line(together(question, answer)), file=file)


def together(question: Question, answer: Prediction) -> dict[str, Any]:
    """What was given, then what is predicted; a name that both have is ``predicted_`` of the answer's."""
    renamed = {f"predicted_{key}" if key in question.given else key: value for key, value in answer.items()}
    return {**question.given, **renamed}


def readable(question: Question, answer: Prediction) -> str:
    """One line: the answer, its score, and the beginning of the text."""
    score = answer.get("score")
    number = f"{score:.3f}" if isinstance(score, float) else ""
    text = " ".join(str(next(iter(question.given.values()), "")).split())
    return f"{_padded(headline(answer), 16)}  {number:>5}  {shorten(text, 90)}".rstrip()


def headline(answer: Prediction) -> str:
    """The answer in a word: its label, its labels, or its first value."""
    if answer.get("error"):
        return f"({answer['error']})"
    value = next(iter(answer.values()), "")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and value and all(isinstance(number, float) for number in value):
        return f"{', '.join(f'{number:.3f}' for number in value[:3])} ... ({len(value)} numbers)"
    return ", ".join(map(_word, value)) or "-" if isinstance(value, list) else str(value)


def _word(value: Any) -> str:
    """A thing that has a text goes by it."""
    return str(value.get("text") or value.get("item") or value) if isinstance(value, dict) else str(value)


@contextmanager
def _json(file: TextIO) -> Iterator[Write]:
    """``{"predictions": [...]}``, without holding all of it."""
    between = ""

    def write(question: Question, answer: Prediction) -> None:
        nonlocal between
        file.write(f"{between}{_line(answer)}")
        between = ",\n "

    file.write('{"predictions": [')
    yield write
    file.write("]}\n")


@contextmanager
def _csv(file: TextIO, delimiter: str, errors: bool) -> Iterator[Write]:
    """Values that are no scalars are JSON. Any answer may bring a column: rows wait in a file without a name, which
    goes with the process, and the table is written at the end.
    """
    names: dict[str, None] = {}
    with SpooledTemporaryFile(SPOOL, "w+", encoding="utf-8", dir=_folder(file)) as spool:

        def write(question: Question, answer: Prediction) -> None:
            values = together(question, {"error": "", **answer} if errors else answer)
            names.update(dict.fromkeys(values))
            spool.write(json.dumps([_cell(values.get(name)) for name in names], default=str) + "\n")

        yield write
        table: Any = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        order = sorted(range(len(names)), key=lambda i: list(names)[i] == "error")
        if names:
            table.writerow([list(names)[i] for i in order])
        spool.seek(0)
        for line in spool:
            cells = json.loads(line)
            table.writerow([cells[i] if i < len(cells) else None for i in order])


def _folder(file: TextIO) -> str | None:
    """Where the file itself is to be, if it is one: a folder for temporary files may be held in memory."""
    place = Path(str(getattr(file, "name", "")))
    return str(place.parent) if place.is_file() else None


def _cell(value: Any) -> Any:
    return _line(value) if isinstance(value, dict | list) else value


def _line(value: Any) -> str:
    return json.dumps(finite(value), ensure_ascii=False, default=str)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))

"""From a recipe's data block to the rows of a run: read, guess, clean, divide."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.clean import BESIDE_TEXT, clean
from tunesmith.data.language import language_of
from tunesmith.data.read import read
from tunesmith.data.roles import table_of_roles
from tunesmith.data.rows import Rows
from tunesmith.data.schema import Columns, Guess, guess
from tunesmith.data.settle import as_read
from tunesmith.data.shapes import TEXTS
from tunesmith.data.shapes.direction import UNTOLD, Languages, turned
from tunesmith.data.shapes.settle import is_log, shape_of
from tunesmith.data.shapes.shape import Shape
from tunesmith.data.split import STOOD, split
from tunesmith.data.times import notes_on_times


@dataclass
class Prepared:
    """What a run learns from, is chosen on, and is proven on; rows by role."""

    task: str
    columns: dict[str, str | list[str]]
    train: list[Row]
    validation: list[Row]
    test: list[Row]
    language: str
    why: list[str]
    """What was guessed, and from what."""
    notes: list[str]
    """What was done to the rows, and what is odd about them."""
    fingerprints: dict[str, Any]
    source: Rows
    """As read, broken rows included."""
    parts: dict[str, Prepared] = field(default_factory=dict)
    """Of several tasks at once: each one's own."""
    tables: dict[str, Any] = field(default_factory=dict)
    """Tables beside the rows, by their word: ``items``, ``users`` (``side_tables.SideTable``)."""


Stood = Callable[[Iterable[Mapping[str, Any]]], np.ndarray]
"""Rows by role -> where each stood before, as ``split`` wants it."""


def prepare(
    block: DataBlock,
    task: str = "auto",
    languages: Languages = UNTOLD,
    reads: Collection[str] = (),
    stood: Stood | None = None,
) -> Prepared:
    """Read and divide the rows.

    Args:
        block: the recipe's.
        task: a name, or "auto" to guess.
        languages: of texts and targets, where the task says them.
        reads: roles that are read beside the task's own.
        stood: where rows stood before; they stand there again. Logs of users are divided without it.

    Raises:
        DataError: a file cannot be read, a column is missing, or nothing can be learned from the rows.
    """
    source = _read(block, block.path, limit=block.limit)
    guessed = guess(source, task=task, columns=block.columns, reads=reads)
    if is_log(guessed.task):
        from tunesmith.data.prepare_log import prepare_log

        return prepare_log(block, source, guessed, lambda path: _read(block, path))
    _refuse_tables(block, guessed.task)
    notes: list[str] = []
    guessed.columns = turned(guessed.columns, block.columns, source.columns, languages, guessed.why)
    shape = shape_of(guessed.task, languages)
    shaped, columns = as_read(source, guessed.task, guessed.columns, notes, shape=shape)
    kept = shape if shape is not None and shape.remembers else None
    options = cleaning(block, guessed.task)
    rows, cleaned = clean(shaped, columns, **options)
    notes += [*source.origin.notes, *cleaned.notes()]
    held = {name: _held(block, getattr(block, name), guessed, options, notes, kept) for name in ("test", "validation")}
    known = None if stood is None else stood(table_of_roles(rows, columns))
    if stood is not None and held["test"] is not None:
        held["test"] = (_untrained(*held["test"], stood, notes), held["test"][1])
    given = {name: None if found is None else found[0] for name, found in held.items()}
    dividing = block.split.model_dump()
    test, validation = given["test"], given["validation"]
    parts = split(rows, columns, given_test=test, given_validation=validation, known=known, **dividing)
    notes += parts.notes
    if block.split.by == "time" and block.split.time:
        notes += notes_on_times(rows, block.split.time)
    needed = ("label", "labels") if set(columns) & set(BESIDE_TEXT) else ("text", "label", "labels")
    wanted = [role for role in columns if role in needed]
    own = {name: columns if found is None else {**found[1], **columns} for name, found in held.items()}
    tables: dict[str, list[Row]] = {
        name: list(table_of_roles(getattr(parts, name), own.get(name, columns), wanted))
        for name in ("train", "validation", "test")
    }
    for name in ("train", "test"):
        if not tables[name]:
            able = "hold out less" if name == "train" else "give a file of them, data.test=FILE, or hold some out"
            raise DataError(f"No rows are left for {name}.", f"Give more rows, or {able}: data.split.test=0.15")
    fingerprints = {
        name: {"sha256": getattr(parts, name).fingerprint().removeprefix("sha256:"), "rows": len(tables[name])}
        for name in tables
    }
    language = language_of(texts_in(tables["train"][:2000]))
    return Prepared(
        guessed.task, guessed.columns, tables["train"], tables["validation"], tables["test"],
        language=language, why=guessed.why, notes=notes, fingerprints=fingerprints, source=shaped,
    )  # fmt: skip


def _refuse_tables(block: DataBlock, task: str) -> None:
    """Settings that only a log of users has."""
    wrong = [f"data.{name}" for name in ("items", "users") if getattr(block, name)]
    if block.split.by == "user":
        wrong.append("data.split.by=user")
    if wrong:
        raise RecipeError(f"{wrong[0]} is for task=recommendation; this is {task}.", "Leave it out.")


def cleaning(block: DataBlock, task: str) -> dict[str, Any]:
    """How rows are cleaned: as the block says, but a text in which positions matter stays as it is.

    Raises:
        RecipeError: redaction is asked for where it would move the text under its annotations.
    """
    options, shape = block.clean.model_dump(), shape_of(task)
    if shape is None or not shape.keeps_text:
        return options
    if options["redact"]:
        raise RecipeError(
            f"data.clean.redact would move the text under the annotations of {shape.task}.",
            "Redact the file before it is annotated, or set data.clean.redact=false.",
        )
    return {**options, "normalise": False}


def texts_in(rows: Sequence[Row]) -> list[str]:
    """The longest text of each row: what its language is seen from."""
    return [max((str(row[role]) for role in TEXTS if row.get(role)), key=len, default="") for row in rows]


def _held(
    block: DataBlock,
    path: str | None,
    guessed: Guess,
    options: dict[str, Any],
    notes: list[str],
    shape: Shape | None,
) -> tuple[Rows, Columns] | None:
    """Rows that came apart from the training rows, and role -> column of these.

    Cleaned alike, but none is left out for being a duplicate.
    """
    if path is None:
        return None
    rows, columns = as_read(_read(block, path), guessed.task, guessed.columns, notes, shape=shape)
    return clean(rows, columns, **{**options, "duplicates": False, "conflicts": "keep"})[0], columns


def _untrained(rows: Rows, columns: Columns, stood: Stood, notes: list[str]) -> Rows:
    """Test rows of a file of their own, without those that were trained on before."""
    trained = stood(table_of_roles(rows, columns)) == STOOD.index("train")
    if not trained.any():
        return rows
    told = f"{int(trained.sum())} of {len(rows)} rows of the test file were trained on before"
    if trained.all():
        raise DataError(f"{told}.", "Give a file of rows that it never learned from: data.test=FILE")
    notes.append(f"{told}; they were left out.")
    return rows.select(np.flatnonzero(~trained))


def _read(block: DataBlock, path: str, limit: int | None = None) -> Rows:
    rows = read(path, encoding=block.encoding, delimiter=block.delimiter, limit=limit, seed=block.split.seed)
    rows.origin.media = block.media
    return rows

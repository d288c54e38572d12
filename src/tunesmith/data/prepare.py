"""From a recipe's data block to the rows of a run: read, guess, clean, divide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.clean import clean
from tunesmith.data.language import language_of
from tunesmith.data.read import read
from tunesmith.data.roles import table_of_roles
from tunesmith.data.rows import Rows
from tunesmith.data.schema import guess
from tunesmith.data.settle import settled
from tunesmith.data.split import split


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


def prepare(block: DataBlock, task: str = "auto") -> Prepared:
    """Read and divide the rows.

    Args:
        block: the recipe's.
        task: a name, or "auto" to guess.

    Raises:
        DataError: a file cannot be read, a column is missing, or nothing can be learned from the rows.
    """
    source = _read(block, block.path, limit=block.limit)
    guessed = guess(source, task=task, columns=block.columns)
    columns = guessed.columns
    notes: list[str] = []
    options = block.clean.model_dump()
    rows, cleaned = clean(settled(source, columns, notes), columns, **options)
    notes += [*source.origin.notes, *cleaned.notes()]
    given = {"test": _held(block, block.test, columns), "validation": _held(block, block.validation, columns)}
    dividing = block.split.model_dump()
    parts = split(rows, columns, given_test=given["test"], given_validation=given["validation"], **dividing)
    notes += parts.notes
    target = [role for role in columns if role in ("label", "labels")]
    wanted = ["text", *target]
    tables: dict[str, list[Row]] = {
        name: list(table_of_roles(getattr(parts, name), columns, wanted)) for name in ("train", "validation", "test")
    }
    for name in ("train", "test"):
        if not tables[name]:
            raise DataError(f"No rows are left for {name}.", "Give more rows, or other shares: data.split.test=0.2")
    fingerprints = {
        name: {"sha256": getattr(parts, name).fingerprint().removeprefix("sha256:"), "rows": len(tables[name])}
        for name in tables
    }
    language = language_of([str(row["text"]) for row in tables["train"][:2000]])
    return Prepared(
        guessed.task, columns, **tables, language=language, why=guessed.why, notes=notes, fingerprints=fingerprints,
        source=source,
    )  # fmt: skip


def _held(block: DataBlock, path: str | None, columns: dict[str, str | list[str]]) -> Rows | None:
    """Rows that came apart from the training rows: cleaned alike, but none is left out for being a duplicate."""
    if path is None:
        return None
    options = {**block.clean.model_dump(), "duplicates": False, "conflicts": "keep"}
    return clean(_read(block, path), columns, **options)[0]


def _read(block: DataBlock, path: str, limit: int | None = None) -> Rows:
    return read(path, encoding=block.encoding, delimiter=block.delimiter, limit=limit, seed=block.split.seed)

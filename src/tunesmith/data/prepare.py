"""From a recipe's data block to the rows of a run: read, guess, clean, divide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock
from tunesmith.data.clean import clean
from tunesmith.data.language import language_of
from tunesmith.data.read import read
from tunesmith.data.roles import table_of_roles
from tunesmith.data.rows import BrokenRow, Rows
from tunesmith.data.schema import guess
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
    broken: list[BrokenRow] = field(default_factory=list)


def prepare(block: DataBlock, task: str = "auto") -> Prepared:
    """Read and divide the rows.

    Args:
        block: the recipe's.
        task: a name, or "auto" to guess.

    Raises:
        DataError: a file cannot be read, a column is missing, or nothing can be learned from the rows.
    """
    rows = _read(block, block.path, limit=block.limit)
    guessed = guess(rows, task=task, columns=block.columns)
    columns = guessed.columns
    notes: list[str] = []
    options = block.clean.model_dump()
    rows, cleaned = clean(rows, columns, **options)
    notes += cleaned.notes()
    given = {name: _read(block, path) if path else None for name, path in _held(block)}
    dividing = block.split.model_dump()
    parts = split(rows, columns, given_test=given["test"], given_validation=given["validation"], **dividing)
    notes += parts.notes
    target = [role for role in columns if role in ("label", "labels")]
    wanted = ["text", *target]
    tables = {
        name: table_of_roles(getattr(parts, name), columns, wanted) for name in ("train", "validation", "test")
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
        broken=list(rows.broken),
    )  # fmt: skip


def _held(block: DataBlock) -> list[tuple[str, str | None]]:
    return [("test", block.test), ("validation", block.validation)]


def _read(block: DataBlock, path: str, limit: int | None = None) -> Rows:
    return read(path, encoding=block.encoding, delimiter=block.delimiter, limit=limit, seed=block.split.seed)

"""The rows that a bundle must not forget: some to remember by, some to measure on, never the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.bundle.known_rows import KnownRows
from tunesmith.bundle.layout import BASE
from tunesmith.bundle.read import Bundle
from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.core.recipe import DataBlock, Recipe
from tunesmith.data.prepare import Prepared
from tunesmith.data.read import read
from tunesmith.data.shapes.direction import languages_of
from tunesmith.data.split import AllTrained
from tunesmith.pipeline import inherited
from tunesmith.pipeline.known import known_by
from tunesmith.pipeline.transcribed import prepared

MEASURED, CHOSEN_ON = 0.5, 0.2
"""Shares of rows that are not the bundle's own: half is measured on; of the others a fifth helps to choose."""


@dataclass(frozen=True)
class Protected:
    """Rows by role.

    Args:
        memory: what strategies may learn from.
        validation: the best checkpoint is chosen on these beside the new ones.
        measured: forgetting is measured on these.
        note: where they come from, in words.
        path: their file.
    """

    memory: list[Row]
    validation: list[Row]
    measured: list[Row]
    columns: dict[str, Any]
    fingerprints: dict[str, Any]
    note: str
    path: str


def protected(parent: Bundle, path: str) -> Protected:
    """Divide the rows of a file of classes that the bundle knows; see ``divided``.

    Raises:
        DataError: it cannot be read, or its labels are not the bundle's.
    """
    found = divided(parent, path)
    _refuse_strangers(parent, path, [*found.memory, *found.validation, *found.measured])
    return found


def divided(parent: Bundle, path: str) -> Protected:
    """Rows of a file by role, the same each time.

    The file that the bundle was tuned on is divided as then, so that forgetting is measured on rows that were never
    learned from. Any other is divided anew, but rows that the bundle or its parents met keep the part that they had.

    Raises:
        DataError: it cannot be read.
    """
    block = parent.recipe.data.model_copy(update={"path": path, "columns": columns_in(parent, path), "augment": []})
    own = _as_then(parent, block)
    if own is not None:
        return own
    split = block.split.model_copy(update={"test": MEASURED, "validation": CHOSEN_ON})
    fresh = block.model_copy(update={"test": None, "validation": None, "limit": None, "split": split})
    found, note = _anew(parent, fresh)
    return _of(found, path, note)


def _anew(parent: Bundle, block: DataBlock) -> tuple[Prepared, str]:
    """Divided, and what that means, in words; where all rows were learned from, there is nothing better to measure."""
    known = known_by(parent)

    def divided(stood: KnownRows | None) -> Prepared:
        return prepared(block, parent.task.name, languages=languages_of(parent.task), stood=stood)

    note = f"{block.path} is not the file that the bundle was tuned on as a whole"
    try:
        found = divided(known)
    except AllTrained:
        found = divided(None)
        return found, (
            f"{note}, and it learned from the rows all the same: forgetting is measured on {len(found.test)} rows that "
            f"it, or a bundle before it, was trained on."
        )
    before = 0 if known is None else sum(int((known(part) >= 0).sum()) for part in (found.train, found.test))
    if before:
        return found, f"{note}: {len(found.test)} of its rows, which were never learned from, are measured on."
    return found, f"{note}: half of its rows are measured on."


def columns_in(parent: Bundle, path: str, block: DataBlock | None = None) -> dict[str, Any]:
    """The bundle's columns that a file has, too; those that a block names itself win."""
    given = dict(block.columns) if block is not None else {}
    there = read(path, encoding=block.encoding if block else None, delimiter=block.delimiter if block else None).columns
    trained = parent.recipe.data.columns
    same = {role: c for role, c in trained.items() if set([c] if isinstance(c, str) else c) <= set(there)}
    return given or same


def _as_then(parent: Bundle, block: DataBlock) -> Protected | None:
    if parent.recipe.data.path != block.path and parent.recipe.data.test is not None:
        return None
    earlier = known_by(parent, only_earlier=True)
    try:
        found = prepared(block, parent.task.name, languages=languages_of(parent.task), stood=earlier)
    except AllTrained:
        return None
    then = parent.manifest.data
    if any(found.fingerprints[name] != then.get(name) for name in ("train", "test")):
        return None
    return _of(
        found, block.path, f"{block.path} is what the bundle was tuned on: forgetting is measured on its test rows."
    )


def _refuse_strangers(parent: Bundle, path: str, rows: list[Row]) -> None:
    """A class that the bundle does not know cannot be forgotten."""
    known = set(getattr(parent.task, "labels", []))
    seen = {str(row["label"]): None for row in rows if known and row.get("label") is not None}
    strangers = [label for label in seen if label not in known]
    if strangers:
        raise DataError(
            f'--protect {path} has the label "{strangers[0]}", which the bundle does not know. '
            f"{did_you_mean(strangers[0], known)[:300]}",
            "Protect rows of the classes that it knows; rows of new classes are what it learns from.",
        )


def _of(found: Any, path: str, note: str) -> Protected:
    return Protected(found.train, found.validation, found.test, found.columns, found.fingerprints, note, path)


def as_recipe(parent: Bundle, file: str, overrides: list[str], bundle: str, **blocks: Any) -> Recipe:
    """How a bundle learns from a file: its own task, method and training settings, its own weights to start from.

    Another method, or another rate, brings its own settings: see ``inherited.training``.

    Args:
        blocks: of the recipe, in the place of what the bundle's own would be.
    """
    manifest = parent.manifest
    own = {"path": file, "clean": parent.recipe.data.clean.model_dump()}
    given = Recipe.parse({"data": own}, [o for o in overrides if o.startswith("data.")]).data
    columns = columns_in(parent, file, given)
    values = {
        "data": {**given.model_dump(exclude_unset=True), "columns": columns},
        "model": {"name": str(weights_of(parent)), "max_length": manifest.max_length},
        "task": {"name": manifest.task.name, **manifest.task.options},
        "method": {"name": manifest.method.name, **manifest.method.options},
        "evaluation": inherited.evaluation(parent, columns),
        "bundle": bundle,
    }
    values, others = {**values, **blocks}, [o for o in overrides if not o.startswith("data.")]
    if "training" not in blocks:
        asked = Recipe.parse(values, others)
        values["training"] = inherited.training(parent, asked.method.name, asked.training.model_fields_set)
    return Recipe.parse(values, others)


def weights_of(parent: Bundle) -> Path:
    """The folder of a bundle's plain model: its own, or its base's."""
    return parent.path / BASE if (parent.path / BASE).is_dir() else parent.path

"""Measure a bundle on rows that it was not made with."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tunesmith.bundle.columns import there, unread
from tunesmith.bundle.read import read_bundle
from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.recipe import DataBlock, Recipe, TranscribeBlock
from tunesmith.data.labelled import labelled
from tunesmith.data.prepare import cleaning
from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.shapes.media_columns import TASKS as MEDIA_TASKS
from tunesmith.evaluation.report import build_report
from tunesmith.pipeline.asked import hand_over
from tunesmith.pipeline.transcribed import COLUMN, transcribed


def measured(bundle_path: str | Path, file: str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The report of a bundle on a file: as a run's, without before and baselines.

    Args:
        overrides: ``data.text=review`` and the like, absent: the columns that the bundle was trained on; and how its
            task answers and is measured (``task.execute=true``, ``task.beams=4``), absent: as it was trained.

    Raises:
        DataError: the file cannot be read, lacks a column, or has a label that the bundle does not know.
    """
    bundle = read_bundle(bundle_path)
    recipe = Recipe.parse({"data": {"path": file}, "task": {"name": bundle.manifest.task.name}}, overrides)
    if recipe.task.name != bundle.manifest.task.name:
        raise RecipeError(
            f"The bundle's task is {bundle.manifest.task.name}; it cannot be measured as {recipe.task.name}.",
            "Leave out task=.",
        )
    bundle, block = bundle.asked(recipe.task.options), recipe.data
    hand_over(bundle.task)
    notes: list[str] = []
    rows = labelled_rows(bundle, block, notes)
    start = time.monotonic()
    _, evidence = bundle.task.measure(bundle.predictor(), rows)
    seconds = time.monotonic() - start
    return build_report(
        task_name=bundle.task.name,
        class_names=getattr(bundle.task, "labels", []),
        metric_names=bundle.task.metrics,
        rows=rows,
        evidences={"after": evidence},
        seconds={"after": {"predict": seconds}},
        data_notes=notes,
        context={"bundle": str(bundle.path), "file": file},
    )


def labelled_rows(bundle: Any, block: DataBlock, notes: list[str]) -> list[Row]:
    """Rows of a file by the bundle's own columns, with their targets; what is odd about them goes into ``notes``.

    Raises:
        DataError: the file cannot be read, lacks a column, or has a label that the bundle does not know.
    """
    if asked := block.transcribe or _heard(bundle, block):
        heard = transcribed(block.model_copy(update={"transcribe": asked}))
        block = heard.block
        notes += heard.notes
    source = read(block.path, encoding=block.encoding, delimiter=block.delimiter, limit=block.limit)
    trained = bundle.manifest.recipe.get("data", {}).get("columns", {})
    source.origin.media = block.media
    beside = not block.columns or bundle.task.name in MEDIA_TASKS  # whose other inputs would go unread
    columns = {**(there(trained, source.columns) if beside else {}), **block.columns}
    if not_read := unread(bundle.task, [block.columns, trained], columns):
        found = guess(source, task=bundle.task.name, columns=columns).columns
        notes += [told for told in not_read if told in unread(bundle.task, [block.columns, trained], found)]
    table = labelled(
        bundle.task,
        source,
        columns,
        notes,
        lambda task: {**cleaning(block, task), "duplicates": False, "conflicts": "keep"},
    )
    if not table:
        raise DataError(f"{block.path} has no labelled rows.", "Give a file with the label column.")
    return table


def _heard(bundle: Any, block: DataBlock) -> TranscribeBlock | None:
    """How the bundle's own rows became texts, where the file has that column of sounds, and no texts of them yet."""
    told = bundle.manifest.recipe.get("data", {}).get("transcribe")
    if told is None or "text" in block.columns:
        return None
    asked = TranscribeBlock.model_validate(told)
    there = read(block.path, encoding=block.encoding, delimiter=block.delimiter, limit=block.limit).columns
    return asked if asked.column in there and COLUMN not in there else None

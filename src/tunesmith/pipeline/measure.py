"""Measure a bundle on rows that it was not made with."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tunesmith.bundle.columns import there, unheard, unread
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import read_bundle
from tunesmith.bundle.writing_speed import clocked, writing_speed
from tunesmith.core.contracts import Row
from tunesmith.core.errors import DataError, RecipeError, did_you_mean
from tunesmith.core.recipe import DataBlock, Recipe, TranscribeBlock
from tunesmith.data.labelled import labelled
from tunesmith.data.prepare import cleaning
from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.shapes.media_columns import TASKS as MEDIA_TASKS
from tunesmith.data.undesired import without_undesired
from tunesmith.evaluation.gate import gate, parse_gate
from tunesmith.evaluation.report import build_report
from tunesmith.pipeline.answering import Answering, answering
from tunesmith.pipeline.asked import hand_over
from tunesmith.pipeline.own_file import too_good
from tunesmith.pipeline.plan import figures
from tunesmith.pipeline.transcribed import transcribed
from tunesmith.pipeline.unread import unread_keys

READ = (
    "data.columns", "data.encoding", "data.delimiter", "data.limit", "data.media", "data.transcribe",
    "data.clean.normalise", "data.clean.redact", "task", "evaluation.gate", "evaluation.resamples",
    "evaluation.confidence",
)  # fmt: skip
"""Keys of a recipe that are read here; the others speak of tuning."""


def measured(bundle_path: str | Path, file: str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The report of a bundle on a file: as a run's, without before and baselines.

    Args:
        overrides: ``data.text=review`` and the like, absent: the columns that the bundle was trained on; how its
            task answers and is measured (``task.execute=true``, ``task.beams=4``), absent: as it was trained; and
            ``evaluation.gate``, ``.resamples``, ``.confidence``. What became of a gate stands under ``gate``.
            ``task.part=NAME`` measures one part of a mixture.

    Raises:
        DataError: the file cannot be read, lacks a column, or has a label that the bundle does not know.
        RecipeError: an override is not read here, or a gate asks for what is not measured.
    """
    bundle = read_bundle(bundle_path)
    part, overrides = _part(overrides)
    recipe = Recipe.parse({"data": {"path": file}, "task": {"name": bundle.manifest.task.name}}, overrides)
    _refuse_unread(recipe, file)
    if recipe.task.name != bundle.manifest.task.name:
        raise RecipeError(
            f"The bundle's task is {bundle.manifest.task.name}; it cannot be measured as {recipe.task.name}.",
            "Leave out task=.",
        )
    asked, block = answering(bundle.asked(recipe.task.options), part), recipe.data
    hand_over(asked.task)
    notes: list[str] = []
    rows = labelled_rows(asked, block, notes)
    notes[:0] = too_good(bundle, file, rows)
    thresholds = recipe.evaluation.gate
    _refuse_gate(thresholds, figures(asked.task, rows[0], before=False))
    start = time.monotonic()
    predictor = asked.predictor()
    if recipe.data.clean.model_fields_set:  # these rows were cleaned as was said, or left
        predictor.clean = None
    clock = clocked(predictor) if isinstance(predictor, Predictor) else None
    _, evidence = asked.task.measure(predictor, rows)
    seconds = time.monotonic() - start
    speed = writing_speed(clock, predictor, rows) if clock else {}
    report = build_report(
        task_name=asked.task.name,
        class_names=getattr(asked.task, "labels", []),
        metric_names=asked.task.metrics,
        rows=rows,
        evidences={"after": evidence},
        seconds={"after": {"predict": seconds}},
        data_notes=notes,
        context={"bundle": str(bundle.path), "file": file, **({"part": part} if part else {})},
        **recipe.evaluation.model_dump(include={"resamples", "confidence"}),
    )
    report |= {"writing_speed": speed} if speed else {}
    return {**report, "gate": gate(report, thresholds).to_json()} if thresholds else report


def _part(overrides: Iterable[str]) -> tuple[str | None, list[str]]:
    """The part of a mixture that is named, and the other overrides: no task has such an option.

    >>> _part(["task.part=mood", "data.text=review"])
    ('mood', ['data.text=review'])
    """
    key, given = "task.part=", list(overrides)
    named = [one.removeprefix(key).strip() for one in given if one.startswith(key)]
    return (named[-1] if named else None), [one for one in given if not one.startswith(key)]


def _refuse_unread(recipe: Recipe, file: str) -> None:
    """What is said and not read would be taken for done."""
    same = {"data.path"} if recipe.data.path == file else set()
    if strange := unread_keys(recipe, {*READ, *same}):
        read = ", ".join(key for key in READ if key not in ("data.columns", "task"))
        raise RecipeError(
            f"A bundle that is measured does not read {', '.join(strange)}.",
            f"It reads data.ROLE=COLUMN, {read}, and its task's options.",
        )


def _refuse_gate(thresholds: Mapping[str, str], known: list[str]) -> None:
    """Before anything is computed."""
    for condition in parse_gate(thresholds):
        where = f'evaluation.gate.{condition.name} is "{condition.text}"'
        if condition.words:
            raise RecipeError(f"{where}, and the bundle alone is measured here.", "Compare with a number.")
        if condition.name not in known:
            raise RecipeError(f"{where}, and there will be no such figure.", did_you_mean(condition.name, known))


def labelled_rows(asked: Answering, block: DataBlock, notes: list[str]) -> list[Row]:
    """Rows of a file by the columns of training, with their targets; what is odd about them goes into ``notes``.

    Raises:
        DataError: the file cannot be read, lacks a column, or has a label that the bundle does not know.
    """
    if sounds := block.transcribe or _heard(asked, block):
        heard = transcribed(block.model_copy(update={"transcribe": sounds}))
        block = heard.block
        notes += heard.notes
    source = read(block.path, encoding=block.encoding, delimiter=block.delimiter, limit=block.limit)
    source.origin.media = block.media
    beside = not block.columns or asked.task.name in MEDIA_TASKS  # whose other inputs would go unread
    columns = {**(there(asked.columns, source.columns) if beside else {}), **block.columns}
    if not_read := unread(asked.task, [block.columns, asked.columns], columns):
        found = guess(source, task=asked.task.name, columns=columns).columns
        notes += [told for told in not_read if told in unread(asked.task, [block.columns, asked.columns], found)]
    table = labelled(
        asked.task,
        source,
        columns,
        notes,
        lambda task: {**cleaning(block, task), "duplicates": False, "conflicts": "keep"},
        asked.columns,
    )
    if not table:
        raise DataError(f"{block.path} has no labelled rows.", "Give a file with the label column.")
    good = without_undesired(table)
    if len(good) < len(table):
        notes.append(f"{len(table) - len(good)} rows were left out: their answers are marked bad.")
    if not good:
        raise DataError(f"{block.path}: all answers are marked bad.", "Give rows with answers to measure by.")
    return good


def _heard(asked: Answering, block: DataBlock) -> TranscribeBlock | None:
    """How the bundle's own rows became texts, where the file has that column of sounds, and no texts of them yet."""
    if asked.transcribe is None or "text" in block.columns:
        return None
    names = read(block.path, encoding=block.encoding, delimiter=block.delimiter, limit=block.limit).columns
    found = unheard(asked.transcribe, block.columns, names)
    return None if found is None else TranscribeBlock.model_validate(asked.transcribe)

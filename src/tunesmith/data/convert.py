"""From annotated rows in one format to another."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tunesmith.core.errors import DataError, RecipeError, did_you_mean
from tunesmith.core.recipe import DataBlock
from tunesmith.core.registry import options_of
from tunesmith.data.formats import FORMATS
from tunesmith.data.formats.format import Format, Writing
from tunesmith.data.read import read
from tunesmith.data.roles import roles
from tunesmith.data.rows import Rows
from tunesmith.data.schema import Columns, guess
from tunesmith.data.settle import as_read
from tunesmith.data.shapes import NAMES
from tunesmith.data.shapes.parsed import parsed

RAW = "spans as in the file"
"""A column that keeps scores, and the order to which relations point."""
KEPT = ("id", "title", "document")
"""Columns that formats have a place for."""


@dataclass
class Converted:
    """What a conversion did."""

    output: Path
    format: str
    task: str
    entries: int
    """Sentences, documents or questions that were written."""
    broken: int
    """Rows that could not be read, and are not in the output."""
    left: dict[str, int]
    """What the format does not hold, in words -> how often."""
    beside: list[Path]
    """Other files that were written."""
    notes: list[str] = field(default_factory=list)


def convert(
    block: DataBlock, output: Path, to: str, *, task: str = "auto", options: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> Converted:  # fmt: skip
    """Read annotated rows and write them in another format; what could not be read stands in ``OUTPUT.broken.csv``.

    Args:
        block: where the rows are and which column is what, as in a recipe.
        output: a file, or a folder for formats of several files; there once it is whole.
        to: the format's name.
        task: the task whose rows these are; "auto": guessed.
        options: of the format.
        replace: whether what is there may be written over.

    Raises:
        DataError: the rows cannot be read, or the format does not hold their kind; the output is there already.
        RecipeError: the format or an option is not known.
    """
    form = _format(to, options or {})
    beside = [form.beside(output), _broken_file(output)]
    for place in (output, *filter(None, beside)):
        _refuse(place, replace, form)
    notes: list[str] = []
    found_task, rows, columns = annotated(block, task, notes)
    _refuse_kind(form, found_task, columns, block.path)
    writing = Writing()
    with_rows = by_role(rows, columns)
    _write(form, with_rows, output, writing)
    if rows.broken:
        from tunesmith.data.clean import write_broken

        write_broken(rows, _broken_file(output))
        writing.beside.append(_broken_file(output))
    left = {what: count for what, count in writing.left.items() if count}
    return Converted(output, to, found_task, writing.entries, len(rows.broken), left, writing.beside, notes)


def annotated(block: DataBlock, task: str, notes: list[str]) -> tuple[str, Rows, Columns]:
    """The task that rows are for, these as the task reads them, and role -> column.

    What ``tunesmith predict`` wrote beside a file's own annotations (``predicted_spans``) is taken before these.
    """
    rows = read(
        block.path, encoding=block.encoding, delimiter=block.delimiter, limit=block.limit, seed=block.split.seed
    )
    notes += rows.origin.notes
    rows, task = _of_predictions(rows, task, block.columns)
    found = guess(rows, task=task, columns=block.columns)
    notes += [why for why in found.why if "as given" not in why]
    if isinstance(found.columns.get("spans"), str):
        column = rows.column(str(found.columns["spans"]))
        rows = Rows(rows.table.append_column(RAW, column), rows.origin, rows.broken)
    taken = {c for value in found.columns.values() for c in ([value] if isinstance(value, str) else value)}
    rows, columns = as_read(rows, found.task, found.columns, notes)
    stale = [c for c in rows.columns if c in taken and c not in columns.values()]
    rows = Rows(rows.table.drop_columns(stale), rows.origin, rows.broken)
    return found.task, rows, {role: column for role, column in columns.items() if role != NAMES}


def by_role(rows: Rows, columns: Columns) -> Iterator[dict[str, Any]]:
    """Rows for a format: values by role, and the file's other cells under ``extra``."""
    known = {c for value in columns.values() for c in ([value] if isinstance(value, str) else value)}
    for given, row in zip(rows, roles(rows, columns), strict=True):
        made = {role: value for role, value in row.items() if value is not None}
        others = {k: v for k, v in given.items() if k not in known and k not in (RAW, NAMES, "relations")}
        made |= {key: others.pop(key) for key in KEPT if others.get(key) is not None}
        if "label" in made and isinstance(others.get("score"), float):
            made["score"] = others["score"]
        if made.get("spans") is not None:
            _as_in_file(made, given)
        made["extra"] = {k: v for k, v in others.items() if isinstance(v, str | int | float)}
        yield made


def _as_in_file(made: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Give spans their scores back, and the row its relations, which point into the file's own list of spans."""
    raw = parsed(given.get(RAW)) or []
    keys = [_key(span) for span in raw] if isinstance(raw, list) else []
    scores = {_key(span): span["score"] for span in raw if isinstance(span, dict) and span.get("score") is not None}
    places = {_key(span): index for index, span in enumerate(made["spans"])}
    made["spans"] = [
        {**span, **({"score": scores[_key(span)]} if _key(span) in scores else {})} for span in made["spans"]
    ]
    relations = parsed(given.get("relations"))
    if "relations" not in made and isinstance(relations, list):
        made["relations"] = [
            {"head": places[keys[r["head"]]], "tail": places[keys[r["tail"]]], "label": r["label"]} for r in relations
        ]


def _key(span: Any) -> tuple[Any, Any, Any] | None:
    return (span.get("start"), span.get("end"), span.get("label")) if isinstance(span, dict) else None


def _of_predictions(rows: Rows, task: str, given: Mapping[str, Any]) -> tuple[Rows, str]:
    """A file of predictions with what was predicted in the place of the file's own annotations."""
    table = rows.table
    predicted = {name: name.removeprefix("predicted_") for name in rows.columns if name.startswith("predicted_")}
    for name, role in predicted.items():
        if role in rows.columns and not {name, role} & {v for v in given.values() if isinstance(v, str)}:
            table = table.drop_columns([role]).rename_columns(
                [role if column == name else column for column in table.column_names if column != role]
            )
    if {"tokens", "spans", "score"} <= set(table.column_names) and "tags" not in given:
        # Predicted for a file of tokens: its own tags are not what is wanted.
        table = table.drop_columns([name for name in ("tags",) if name in table.column_names])
        task = "token-classification" if task == "auto" else task
    return Rows(table, rows.origin, rows.broken), task


def _format(name: str, options: Mapping[str, Any]) -> Format:
    try:
        made: Format = FORMATS.make(name, options)
    except ValidationError as error:
        first = error.errors()[0]
        option = ".".join(map(str, first["loc"]))
        known = options_of(FORMATS.load(name)).model_fields
        hint = did_you_mean(option, known) if first["type"] == "extra_forbidden" else f"See: tunesmith plugins {name}"
        raise RecipeError(f"The format {name} takes no {option}={first['input']}: {first['msg']}.", hint) from None
    return made


def _refuse(place: Path, replace: bool, form: Format) -> None:
    if not place.exists():
        if not place.parent.is_dir():
            raise DataError(f"There is no folder {place.parent}.", "Make it first, or name another place.")
        return
    if not replace:
        raise DataError(f"{place} is there already.", "Name another place, or add --replace.")
    others = [file.name for file in place.iterdir() if file.suffix not in form.ends] if place.is_dir() else []
    if others or place.is_dir() != form.folder and not place.name.endswith(".broken.csv"):
        what = f"holds {others[0]}, which is no file of this format" if others else "is of another kind"
        raise DataError(f"{place} {what}, and is not written over.", "Name another place.")


def _refuse_kind(form: Format, task: str, columns: Columns, path: str) -> None:
    if any(set(needed) <= set(columns) for needed in form.needs):
        return
    able = [name for name in FORMATS if any(set(needed) <= set(columns) for needed in FORMATS.load(name).needs)]
    raise DataError(
        f"{form.name} holds {' or '.join(' with '.join(needed) for needed in form.needs)}; "
        f"{path} is read as {task} ({', '.join(columns)}).",
        f"Formats for these rows: {', '.join(able)}. Where the task is wrong, give it: task=NAME",
    )


def _broken_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.broken.csv")


def _write(form: Format, rows: Iterator[dict[str, Any]], output: Path, writing: Writing) -> None:
    """Write into a folder beside the output, and move what is whole to its place."""
    part = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        target = part / output.name
        if form.folder:
            target.mkdir()
        form.write(rows, target, writing)
        if output.is_dir():
            shutil.rmtree(output)
        for made in (target, *writing.beside):
            os.replace(made, output.parent / made.name)
        writing.beside = [output.parent / made.name for made in writing.beside]
    finally:
        shutil.rmtree(part, ignore_errors=True)

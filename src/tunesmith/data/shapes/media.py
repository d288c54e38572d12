"""Rows of any of a text, a picture, a sound, numbers and categories; and what is predicted of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from tunesmith.data.media.limits import MediaProblem
from tunesmith.data.media.picture import check_picture
from tunesmith.data.media.place import settled
from tunesmith.data.media.sound import check_sound
from tunesmith.data.shapes.media_columns import seen
from tunesmith.data.shapes.parsed import parsed
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.traits import Traits

MEDIA = {"image": check_picture, "audio": check_sound}
"""Role of a file -> what reads it whole and says what is wrong with it."""
_THOUSANDS = re.compile(r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
_MISSING = ("", "nan", "none", "null", "na", "n/a")


class MediaShape(Shape):
    """Gives ``image`` and ``audio`` (absolute paths, or inline data), ``text``, ``numeric`` and ``categorical`` (column
    -> value). What a row lacks is left out; each row has one of them at least.

    Args:
        folder: in which files must lie, and to which paths are relative; None: the working folder, and any place.
    """

    target: ClassVar[str] = ""
    inputs: ClassVar[tuple[str, ...]]
    """Of the roles, those that are read."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def beside(self, folder: Path | None) -> Self:
        """The same, for a file of that folder."""
        return type(self)(folder)

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """Columns of paths by what they hold; the label by its name, or by its values."""
        task, columns = seen(found, samples, {}, self.task, why)
        return columns if task == self.task else {}

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row; its files are opened and read whole, so that what is damaged is known before anything is learned."""
        row: dict[str, Any] = {}
        for role in self.inputs:
            value = cells.get(role)
            if value is None or value in ({}, []) or (isinstance(value, str) and not value.strip()):
                continue
            if role in MEDIA:
                row[role] = file_of(role, value, self.folder)
            elif role == "text":
                row[role] = str(value)
            elif made := (numbers if role == "numeric" else categories)(value):
                row[role] = made
        if not row:
            raise RowProblem(f"the row has nothing to read: no {' and no '.join(self.inputs)}")
        if target and "label" in cells:
            row["label"] = cells["label"]
        yield row


class ImageShape(MediaShape):
    """Pictures and their classes."""

    task: ClassVar[str] = "image-classification"
    summary: ClassVar[str] = "pictures and their classes: a column of paths, or a folder a class"
    roles: ClassVar[tuple[str, ...]] = ("image", "label")
    inputs: ClassVar[tuple[str, ...]] = ("image",)


class AudioShape(MediaShape):
    """Sounds and their classes."""

    task: ClassVar[str] = "audio-classification"
    summary: ClassVar[str] = "sounds and their classes: a column of paths, or a folder a class"
    roles: ClassVar[tuple[str, ...]] = ("audio", "label")
    inputs: ClassVar[tuple[str, ...]] = ("audio",)


class MultimodalShape(MediaShape):
    """Any of five kinds of columns, and a class."""

    task: ClassVar[str] = "multimodal-classification"
    summary: ClassVar[str] = "any of text, image, audio, numbers and categories in one row, and a class"
    roles: ClassVar[tuple[str, ...]] = ("text", "image", "audio", "numeric", "categorical", "label")
    inputs: ClassVar[tuple[str, ...]] = ("text", "image", "audio", "numeric", "categorical")


class PairShape(MediaShape):
    """Pictures and texts that belong together."""

    task: ClassVar[str] = "image-text-alignment"
    summary: ClassVar[str] = "pictures and the texts that belong to them"
    roles: ClassVar[tuple[str, ...]] = ("text", "image")
    inputs: ClassVar[tuple[str, ...]] = ("text", "image")

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row; to learn from, it must have both."""
        for row in super().read(cells, target=False):
            if target and len(row) < 2:
                raise RowProblem(f"the row has no {'image' if 'text' in row else 'text'}")
            yield row


class MultimodalNumberShape(MultimodalShape):
    """Any of five kinds of columns, and a number."""

    task: ClassVar[str] = "multimodal-regression"
    summary: ClassVar[str] = "any of text, image, audio, numbers and categories in one row, and a number"


def file_of(role: str, value: Any, folder: Path | None) -> str:
    """A cell's picture or sound as ``place.settled`` gives it, read whole; raises RowProblem."""
    if not isinstance(value, str):
        raise RowProblem(f"{role} is a {type(value).__name__}, not a path")
    try:
        place = settled(value.strip(), folder)
        MEDIA[role](place)
    except MediaProblem as problem:
        raise RowProblem(str(problem)) from None
    return place


def numbers(value: Any) -> dict[str, float]:
    """Column -> number; what is empty is left out."""
    made = {}
    for name, cell in _columns(value, "numeric").items():
        if cell is None or str(cell).strip().lower() in _MISSING:
            continue
        try:
            made[name] = _number(cell)
        except (TypeError, ValueError):
            comma = "; decimals have a point, thousands commas" if "," in str(cell) else ""
            raise RowProblem(f'"{str(cell)[:40]}" in the column "{name}" is no number{comma}') from None
        if not math.isfinite(made[name]):
            raise RowProblem(f'the number in the column "{name}" is not finite')
    return made


def _number(cell: Any) -> float:
    """A cell as a number; commas stand between thousands alone, for "12,5" is no 125."""
    if not isinstance(cell, str):
        return float(cell)
    plain = cell.strip()
    if "_" in plain:
        raise ValueError
    return float(plain.replace(",", "") if _THOUSANDS.match(plain) else plain)


def categories(value: Any) -> dict[str, str]:
    """Column -> category as text; what is empty is left out."""
    found = _columns(value, "categorical")
    return {name: str(cell).strip() for name, cell in found.items() if cell is not None and str(cell).strip()}


def _columns(value: Any, role: str) -> Mapping[str, Any]:
    found = parsed(value)
    if not isinstance(found, Mapping):
        raise RowProblem(f'{role} must be a mapping of columns to values, like {{"price": 3}}')
    return found

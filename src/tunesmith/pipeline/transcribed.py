"""A column of sounds becomes a column of texts, so that what is said can feed any task of texts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.bundle.columns import TRANSCRIPT
from tunesmith.core.errors import DataError
from tunesmith.core.recipe import DataBlock, TranscribeBlock
from tunesmith.data.media.limits import MediaProblem
from tunesmith.data.media.place import content, settled
from tunesmith.data.media.sound import sound
from tunesmith.data.mixture import prepare_parts
from tunesmith.data.prepare import Prepared, Stood, prepare
from tunesmith.data.read import drawn, read
from tunesmith.data.rows import BrokenRow, Rows, missing_column
from tunesmith.data.shapes.direction import UNTOLD, Languages
from tunesmith.data.shapes.settle import media_folder
from tunesmith.models.cache import cache_folder

Progress = Callable[[int, int], None]
"""What the column of texts is called."""
TOGETHER = 16
"""Sounds that are in memory at once."""


@dataclass(frozen=True)
class Transcribed:
    """A data block whose sounds became texts, and what was left out on the way."""

    block: DataBlock
    broken: list[BrokenRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def prepared(
    block: DataBlock,
    task: str = "auto",
    device: str = "auto",
    languages: Languages = UNTOLD,
    reads: Collection[str] = (),
    stood: Stood | None = None,
) -> Prepared:
    """As ``data.prepare.prepare``, of sounds by what is said in them; what could not be used is among its notes and
    broken rows.
    """
    heard = transcribed(block, device)
    found = prepare_parts(heard.block) if heard.block.parts else prepare(heard.block, task, languages, reads, stood)
    found.notes[:0] = heard.notes
    found.source.broken.extend(heard.broken)
    return found


def transcribed(block: DataBlock, device: str = "auto") -> Transcribed:
    """The block with files of texts in the place of files of sounds; the block itself where nothing is asked for.

    Each sound is heard once: what it says is kept in the cache by its content and the model's.

    Args:
        device: where it is heard; "auto": a GPU where there is one.

    Raises:
        DataError: there is no such column, or none of its sounds can be read.
    """
    if block.parts:
        of_parts = {name: transcribed(part, device) for name, part in block.parts.items()}
        return Transcribed(
            block.model_copy(update={"parts": {name: one.block for name, one in of_parts.items()}}),
            [row for one in of_parts.values() for row in one.broken],
            [f"{name}: {note}" for name, one in of_parts.items() for note in one.notes],
        )
    asked = block.transcribe
    if asked is None:
        return Transcribed(block)
    changes: dict[str, Any] = {"transcribe": None}
    broken: list[BrokenRow] = []
    notes: list[str] = []
    for name in ("path", "test", "validation"):
        if path := getattr(block, name):
            limit = block.limit if name == "path" else None
            rows = read(path, encoding=block.encoding, delimiter=block.delimiter)
            rows.origin.media = block.media
            chosen = np.arange(len(rows))
            if limit is not None and limit < len(rows):
                chosen = drawn(len(rows), limit, block.split.seed)
            made, unused = _kept(rows.select(chosen), asked, device)
            changes[name] = str(made)
            unused = [replace(row, line=int(chosen[row.line - 1]) + 1) for row in unused]
            if unused:
                notes.append(
                    f"{len(unused)} of {len(chosen)} sounds of {path} were left out, the first is row "
                    f"{unused[0].line}: {unused[0].reason}."
                )
            notes += rows.origin.notes
            broken += [*rows.broken, *unused]
    columns = {role: column for role, column in block.columns.items() if role != "audio"}
    made_block = block.model_copy(update={**changes, "media": None, "columns": {"text": TRANSCRIPT, **columns}})
    return Transcribed(made_block, broken, notes)


def with_texts(
    rows: Rows, asked: TranscribeBlock, progress: Progress | None = None, device: str = "auto"
) -> tuple[list[Any], list[BrokenRow]]:
    """Rows as dictionaries with ``transcript``; and those whose sound cannot be used, with file, row and reason."""
    if asked.column not in rows.columns:
        raise missing_column(asked.column, rows)
    folder = media_folder(rows)
    file = rows.origin.files[0] if rows.origin.files else "the rows"
    made: list[Any] = []
    broken: list[BrokenRow] = []
    texts = _Texts(asked, device)
    for start in range(0, len(rows), TOGETHER):
        some = [dict(row) for row in rows[start : start + TOGETHER]]
        for number, (row, text) in enumerate(zip(some, texts([r[asked.column] for r in some], folder), strict=True)):
            if isinstance(text, MediaProblem):
                broken.append(BrokenRow(file, start + number + 1, str(text), str(row[asked.column])[:200]))
            else:
                made.append({**row, TRANSCRIPT: text})
        if progress is not None:
            progress(min(start + TOGETHER, len(rows)), len(rows))
    if not made:
        raise DataError(f"{file}: no sound can be used; the first: {broken[0].reason}.", "Check the column's paths.")
    return made, broken


class _Texts:
    """What sounds say, kept by content; the model loads with the first that is new."""

    def __init__(self, asked: TranscribeBlock, device: str) -> None:
        from tunesmith.models.reference import resolve

        self.asked, self.device = asked, device
        self.model = resolve(asked.model).content_hash
        self.folder = cache_folder("transcripts")
        self._speech: Any = None

    def __call__(self, values: Sequence[Any], folder: Path | None) -> list[str | MediaProblem]:
        found: list[str | MediaProblem | None] = []
        fresh: dict[int, tuple[Path, Any]] = {}
        for i, value in enumerate(values):
            try:
                data = content(settled(str(value or ""), folder))
                place = self.folder / f"{self._key(data)}.json"
                kept = json.loads(place.read_text("utf-8")) if place.is_file() else None
                found.append(kept)
                if kept is None:
                    fresh[i] = (place, sound(settled(str(value), folder), data=data))
            except MediaProblem as problem:
                found.append(problem)
        if fresh:
            for (i, (place, _)), text in zip(fresh.items(), self._heard([w for _, w in fresh.values()]), strict=True):
                part = place.with_suffix(f".{os.getpid()}.part")
                part.write_text(json.dumps(text, ensure_ascii=False), "utf-8")
                part.replace(place)
                found[i] = text
        return [one if one is not None else "" for one in found]

    def _key(self, data: bytes) -> str:
        about = f"{self.model}|{self.asked.language}|1|".encode()
        return hashlib.blake2b(about + data, digest_size=20).hexdigest()

    def _heard(self, waves: list[Any]) -> list[str]:
        if self._speech is None:
            from tunesmith.core.runtime import resolve
            from tunesmith.models.speech import Speech

            self._speech = Speech(self.asked.model, self.asked.language, resolve(self.device).device)
        texts: list[str] = self._speech.texts(waves)
        return texts


def _kept(rows: Rows, asked: TranscribeBlock, device: str) -> tuple[Path, list[BrokenRow]]:
    made, broken = with_texts(rows, asked, device=device)
    if len(broken) > len(made) / 4:
        raise DataError(
            f"{len(broken)} of {len(rows)} sounds cannot be used; the first, row {broken[0].line}: {broken[0].reason}.",
            "Check the column's paths.",
        )
    plain = [{name: value for name, value in row.items() if name != asked.column} for row in made]
    lines = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in plain)
    name = hashlib.blake2b(lines.encode(), digest_size=12).hexdigest()
    path = cache_folder("transcripts", "files") / f"{name}.jsonl"
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(lines, "utf-8")
    part.replace(path)
    return path, broken

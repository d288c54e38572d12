"""A folder of pictures or sounds, one folder a class."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from tunesmith.core.errors import DataError
from tunesmith.data.media.picture import SUFFIXES as PICTURES
from tunesmith.data.media.sound import SUFFIXES as SOUNDS
from tunesmith.data.sources.source import Reading, Source, batched

TRAINING = ("train", "training")
HELD = ("test", "testing", "dev", "val", "valid", "validation")


class MediaFolder(Source):
    """``cats/1.jpg dogs/2.jpg``: columns ``image`` (or ``audio``) and ``label``, the name of the file's folder.

    Of a folder that is divided into ``train`` and others, the training files are read; the others are named.
    """

    name = "media-folder"
    summary = "a folder of pictures or sounds, one folder a class"

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The folder's files, in the order of their names; others are counted."""
        root = Path(path)
        parts = {part.name.lower(): part for part in root.iterdir() if part.is_dir()}
        held = [parts[name] for name in HELD if name in parts]
        training = next((parts[name] for name in TRAINING if name in parts), None)
        start = training if training is not None and held else root
        if held and training is not None:
            others = ", ".join(str(part) for part in held)
            reading.note(f"{path} is divided: {start} was read; the others are used by data.test=FOLDER ({others}).")
        yield from batched(self._rows(root, start, reading))

    def _rows(self, root: Path, start: Path, reading: Reading) -> Iterator[dict[str, str]]:
        role = media_role(start)
        if role is None:
            raise DataError(
                f"The folder {start} holds pictures and sounds.", "Give one kind, or a CSV with a column of paths each."
            )
        suffixes = PICTURES if role == "image" else SOUNDS
        for file in sorted(start.rglob("*")):
            if not file.is_file() or any(part.startswith(".") for part in file.relative_to(start).parts):
                continue
            if file.suffix.lower() not in suffixes:
                reading.counts[f"files in {start} that are no {role} were left out"] += 1
            elif file.parent == start:
                reading.counts[f"files of {start} that stand in no class's folder were left out"] += 1
            else:
                yield {role: os.path.relpath(file, root), "label": file.parent.name}


def media_role(folder: Path) -> str | None:
    """By the files of a folder, "image" or "audio"; None where it holds both, or none."""
    found = {file.suffix.lower() for file in folder.rglob("*") if file.is_file()}
    pictures, sounds = bool(found & set(PICTURES)), bool(found & set(SOUNDS))
    if pictures == sounds:
        return None
    return "image" if pictures else "audio"


def holds_media(folder: str) -> bool:
    """Whether a folder has a picture or a sound in a folder of its own."""
    known = (*PICTURES, *SOUNDS)
    return any(file.suffix.lower() in known for file in Path(folder).glob("*/**/*") if file.is_file())


def media_in_classes(folder: str) -> list[str]:
    """Names of the pictures and sounds that stand in folders of their own; none where that is one folder alone."""
    known = (*PICTURES, *SOUNDS)
    files = [file for file in Path(folder).glob("*/**/*") if file.suffix.lower() in known and file.is_file()]
    return [file.name for file in files] if len({file.parent for file in files}) > 1 else []

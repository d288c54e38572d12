"""Parallel texts: a file a language, whose lines belong together: ``train.en`` beside ``train.de``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from tunesmith.core.errors import DataError
from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.source import Reading, Source, batched

CODES = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu", "it",
    "ja", "ko", "lt", "lv", "ms", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "ur", "vi",
    "zh",
)  # fmt: skip
"""Languages whose code is the end of a file's name."""
_NAME = re.compile(rf"(?:(?P<stem>.*)[._-])?(?P<language>{'|'.join(CODES)})(?P<ends>(?:\.te?xt)?(?:\.gz)?)", re.I)
_DIRECTION = re.compile(r"(?:^|[._-])([a-z]{2})-[a-z]{2}$", re.I)


class Side(NamedTuple):
    """A file's name in its parts: ``train.de-en.en.gz`` -> "train.de-en", "en", ".gz"."""

    stem: str
    language: str
    ends: str


def side_of(path: str) -> Side | None:
    """The parts of a parallel file's name; None where it does not end with a language.

    >>> side_of("a/train.en"), side_of("zh.txt"), side_of("notes.txt")
    (Side(stem='train', language='en', ends=''), Side(stem='', language='zh', ends='.txt'), None)
    """
    found = _NAME.fullmatch(os.path.basename(path))
    return None if found is None else Side(found["stem"] or "", found["language"].lower(), found["ends"])


def sides_of(path: str) -> dict[str, str]:
    """Language -> file, of all files whose lines belong to this one's: this one first, then by language."""
    own = side_of(path)
    if own is None:
        return {}
    folder = os.path.dirname(path)
    others = {}
    for name in sorted(os.listdir(folder or ".")):
        side = side_of(name)
        if side is not None and (side.stem, side.ends) == (own.stem, own.ends) and side.language != own.language:
            others[side.language] = os.path.join(folder, name)
    return {own.language: path, **others}


class Parallel(Source):
    """A row a line, a column a language.

    The file that was given is the first column. Of a folder it is the language that the name says (``train.de-en.de``),
    else English.

    Args:
        encoding: None: detected.
    """

    name: ClassVar[str] = "parallel"
    summary: ClassVar[str] = "parallel texts: train.en beside train.de, a line of one belongs to that of the other"
    suffixes: ClassVar[tuple[str, ...]] = tuple(f".{code}" for code in CODES)

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    @classmethod
    def parts(cls, files: list[str]) -> list[str]:
        """Of files that belong together, the one that is translated from."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for file in files:
            side = side_of(file)
            if side is not None:
                groups.setdefault((os.path.dirname(file), side.stem, side.ends), []).append(file)
        return [min(group, key=_order) for group in groups.values()]

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The lines of all languages.

        Raises:
            DataError: the files do not have the same number of lines.
        """
        sides = sides_of(path)
        encodings = [detect(file, self.encoding).name for file in sides.values()]
        reading.encoding = encodings[0]
        if len(sides) > 1:
            reading.note(f"{', '.join(map(os.path.basename, sides.values()))} are read together, line by line.")
        yield from batched(self._rows(sides, encodings, reading))

    def _rows(self, sides: dict[str, str], encodings: list[str], reading: Reading) -> Iterator[dict[str, Any]]:
        files = [open_text(path, encoding) for path, encoding in zip(sides.values(), encodings, strict=True)]
        counts = [0] * len(files)
        try:
            for number, lines in enumerate(zip_longest(*files), 1):
                counts = [count + (line is not None) for count, line in zip(counts, lines, strict=True)]
                texts = [(line or "").strip() for line in lines]
                if any(MARK in text for text in texts):
                    path = list(sides.values())[0]
                    text = " | ".join(texts).replace(MARK, "")
                    reading.broken.append(BrokenRow(path, number, "bytes that are not text", text))
                elif any(texts):
                    yield dict(zip(sides, texts, strict=True))
                else:
                    reading.counts["lines are blank in every file, and passed over"] += 1
        finally:
            for file in files:
                file.close()
        if len(set(counts)) > 1:
            told = ", ".join(f"{path} {count:,}" for path, count in zip(sides.values(), counts, strict=True))
            raise DataError(
                f"Parallel files must have the same number of lines: {told}.",
                "Find where they part, or give one file with two columns.",
            )


def _order(path: str) -> tuple[bool, bool, str]:
    side = side_of(path)
    language, stem = (side.language, side.stem) if side else ("", "")
    told = _DIRECTION.search(stem)
    return (told is None or told[1].lower() != language, language != "en", path)

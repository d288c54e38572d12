"""Write parallel texts: a folder with a file a language, whose lines belong together."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar

from tunesmith.core.errors import DataError
from tunesmith.data.formats.format import Format, Row, Writing, count_left
from tunesmith.data.language import language_of
from tunesmith.data.sources.parallel import CODES, Parallel

SEEN = 500
"""Rows from which languages are seen."""


class ParallelFormat(Format):
    """``all.en-de.en`` and ``all.en-de.de``; line breaks within a text become blanks, and are counted.

    Args:
        source_language: of the texts, an ISO 639-1 code; None: seen from them.
        target_language: of the targets, likewise.
    """

    name: ClassVar[str] = "parallel"
    summary: ClassVar[str] = "parallel texts: a folder with a file a language, a row a line"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("text", "target"),)
    holds: ClassVar[tuple[str, ...]] = ()
    folder: ClassVar[bool] = True
    ends: ClassVar[tuple[str, ...]] = Parallel.suffixes

    def __init__(self, source_language: str | None = None, target_language: str | None = None) -> None:
        self.given = (source_language, target_language)

    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """A line a row in both files.

        Raises:
            DataError: the two languages cannot be told apart.
        """
        remaining = iter(rows)
        some = list(islice(remaining, SEEN))
        one, other = self._languages(some)
        with ExitStack() as stack:
            files = [
                stack.enter_context((path / f"all.{one}-{other}.{code}").open("w", encoding="utf-8", newline=""))
                for code in (one, other)
            ]
            for row in chain(some, remaining):
                count_left(self, row, writing)
                writing.left["further references are not held by parallel"] += max(
                    0, len(row.get("references", [])) - 1
                )
                writing.entries += 1
                for role, file in zip(("text", "target"), files, strict=True):
                    line = " ".join(str(row[role]).split("\n"))
                    writing.left["line breaks became blanks"] += str(row[role]).count("\n")
                    file.write(line.replace("\r", " ") + "\n")

    def _languages(self, rows: list[Row]) -> tuple[str, str]:
        seen = [language_of(str(row[role]) for row in rows) for role in ("text", "target")]
        one, other = (told or found for told, found in zip(self.given, seen, strict=True))
        if one == other or not {one, other} <= set(CODES):
            raise DataError(
                f"parallel needs two languages; the texts are seen as {one} and the targets as {other}.",
                "Name them: source_language=en target_language=de. For summaries write jsonl.",
            )
        return one, other

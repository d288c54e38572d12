"""Write rows as they are read, one JSON object a line, whatever the task."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from tunesmith.data.formats.format import ANNOTATIONS, Format, Row, Writing


class JsonLinesFormat(Format):
    """Each row by its roles: ``text`` and ``spans``, ``question`` and ``answers`` ... beside the file's other cells."""

    name: ClassVar[str] = "jsonl"
    summary: ClassVar[str] = "JSON lines of rows by role, for any task"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = ((),)
    holds: ClassVar[tuple[str, ...]] = ANNOTATIONS

    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """A line a row."""
        with path.open("w", encoding="utf-8", newline="") as file:
            for row in rows:
                made = {**row.get("extra", {}), **{key: value for key, value in row.items() if key != "extra"}}
                file.write(json.dumps(made, ensure_ascii=False) + "\n")
                writing.entries += 1

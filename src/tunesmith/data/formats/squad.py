"""Write SQuAD JSON: 2.0 where a question has no answer, else 1.1."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.data.formats.format import Format, Row, Writing, count_left


class SquadFormat(Format):
    """Questions by paragraph, paragraphs by title; offsets are characters of the context."""

    name: ClassVar[str] = "squad"
    summary: ClassVar[str] = "SQuAD JSON: 2.0 where a question has no answer, else 1.1"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("question", "context"),)
    holds: ClassVar[tuple[str, ...]] = ("answers",)

    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """The whole file; questions of one context that follow each other share it."""
        kept = list(rows)
        for row in kept:
            count_left(self, row, writing)
        some_without = any(row.get("answers") == [] for row in kept)
        numbered = list(enumerate(kept, 1))
        articles = []
        for title, article in groupby(numbered, key=lambda pair: pair[1].get("title")):
            paragraphs = [
                {"context": context, "qas": [question(row, number, some_without) for number, row in group]}
                for context, group in groupby(article, key=lambda pair: pair[1]["context"])
            ]
            articles.append({**({"title": title} if title is not None else {}), "paragraphs": paragraphs})
        made = {"version": "v2.0" if some_without else "1.1", "data": articles}
        path.write_text(json.dumps(made, ensure_ascii=False), "utf-8")
        writing.entries = len(kept)


def question(row: Row, number: int, some_without: bool) -> dict[str, Any]:
    """One entry of ``qas``; a row that nobody has answered has no ``answers``."""
    made: dict[str, Any] = {"id": row.get("id", str(number)), "question": row["question"]}
    if row.get("answers") is not None:
        made["answers"] = [{"text": answer["text"], "answer_start": answer["start"]} for answer in row["answers"]]
        if some_without:
            made["is_impossible"] = not row["answers"]
    return made

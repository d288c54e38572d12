"""Write doccano's JSON lines, as it imports them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.data.formats.documents import documents
from tunesmith.data.formats.format import Format, Row, Writing, count_left
from tunesmith.data.sources.offsets import Units, utf16_length


class DoccanoFormat(Format):
    """A text a line: ``label`` of spans or of the text, or ``entities`` and ``relations``.

    Args:
        offsets: "characters", or "utf-16", in which a character outside the basic plane (most emoji) is two, as
            doccano's page counts where a project does not count grapheme clusters.
    """

    name: ClassVar[str] = "doccano"
    summary: ClassVar[str] = "doccano's JSON lines: spans, relations, or labels of texts"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("text",),)
    holds: ClassVar[tuple[str, ...]] = ("spans", "relations", "label", "labels")

    def __init__(self, offsets: Units = "characters") -> None:
        self.offsets: Units = offsets

    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """A line a document."""
        with path.open("w", encoding="utf-8", newline="") as file:
            for row in documents(rows):
                count_left(self, row, writing)
                writing.entries += 1
                file.write(json.dumps(entry(row, writing.entries, self.offsets), ensure_ascii=False) + "\n")


def entry(row: Row, number: int, offsets: Units) -> dict[str, Any]:
    """One line's object.

    Args:
        row: a document.
        number: its number in the file; entities are numbered within it.
        offsets: in which units spans are written.
    """
    made: dict[str, Any] = {**row.get("extra", {}), "id": row.get("id", number), "text": row["text"]}
    if row.get("relations") is not None:
        spans = row.get("spans") or []
        made["entities"] = [
            {"id": i, "label": span["label"], "start_offset": start, "end_offset": end}
            for i, (span, (start, end)) in enumerate(zip(spans, _places(row, offsets), strict=True), 1)
        ]
        made["relations"] = [
            {"id": i, "from_id": r["head"] + 1, "to_id": r["tail"] + 1, "type": r["label"]}
            for i, r in enumerate(row["relations"], 1)
        ]
    elif row.get("spans") is not None:
        pairs = zip(row["spans"], _places(row, offsets), strict=True)
        made["label"] = [[start, end, span["label"]] for span, (start, end) in pairs]
    else:
        labels = row.get("labels")
        made["label"] = labels if labels is not None else [row["label"]] if row.get("label") is not None else []
    return made


def _places(row: Row, offsets: Units) -> Iterator[tuple[int, int]]:
    """(start, end) of each span of a row."""
    text = row["text"]
    for span in row.get("spans") or []:
        start, end = span["start"], span["end"]
        if offsets == "utf-16":
            start, end = utf16_length(text[:start]), utf16_length(text[:end])
        yield start, end

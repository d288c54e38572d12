"""Write a folder of brat's: a .txt and an .ann file a document, and its annotation.conf."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.data.formats.documents import documents
from tunesmith.data.formats.format import Format, Row, Writing, count_left

_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
_NO_LABEL = re.compile(r"[^\w\-]+")
_BREAK = re.compile(r"[\r\n]")


class BratFormat(Format):
    """A document a row, called as before where it came from brat, else by number. Offsets are characters.

    brat's labels have letters, digits, ``-`` and ``_`` only: other characters become ``_``, and this is counted.
    """

    name: ClassVar[str] = "brat"
    summary: ClassVar[str] = "brat's standoff: a folder of .txt and .ann files, and annotation.conf"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("text", "spans"), ("text", "head", "tail"))
    holds: ClassVar[tuple[str, ...]] = ("spans", "relations")
    folder: ClassVar[bool] = True
    ends: ClassVar[tuple[str, ...]] = (".txt", ".ann", ".conf")

    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """Two files a document."""
        labels: dict[str, dict[str, None]] = {"entities": {}, "relations": {}}
        for row in documents(rows):
            count_left(self, row, writing)
            writing.entries += 1
            stem = _stem(row, writing.entries, path)
            (path / f"{stem}.txt").write_text(row["text"], "utf-8", newline="")
            lines = "".join(f"{line}\n" for line in standoff(row, labels, writing))
            (path / f"{stem}.ann").write_text(lines, "utf-8", newline="")
        (path / "annotation.conf").write_text(configuration(labels), "utf-8")


def standoff(row: Row, labels: dict[str, dict[str, None]], writing: Writing) -> Iterator[str]:
    """The lines of an .ann file; ``labels`` takes which there are."""
    for i, span in enumerate(row.get("spans") or [], 1):
        shown = _BREAK.sub(" ", row["text"][span["start"] : span["end"]])
        yield f"T{i}\t{_label(span, labels['entities'], writing)} {span['start']} {span['end']}\t{shown}"
    for i, relation in enumerate(row.get("relations") or [], 1):
        name = _label(relation, labels["relations"], writing)
        yield f"R{i}\t{name} Arg1:T{relation['head'] + 1} Arg2:T{relation['tail'] + 1}\t"


def configuration(labels: dict[str, dict[str, None]]) -> str:
    """``annotation.conf``: the labels that may be given."""
    ends = "Arg1:<ENTITY>, Arg2:<ENTITY>"
    relations = [f"{label}\t{ends}" for label in labels["relations"]]
    blocks = {"entities": list(labels["entities"]), "relations": relations, "events": [], "attributes": []}
    return "".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in blocks.items())


def _label(annotation: Any, known: dict[str, None], writing: Writing) -> str:
    label = _NO_LABEL.sub("_", str(annotation["label"]))
    writing.left["labels with characters that brat has not: these became _"] += label != annotation["label"]
    known[label] = None
    return label


def _stem(row: Row, number: int, path: Path) -> str:
    name = str(row.get("document") or "")
    taken = not _NAME.fullmatch(name) or (path / f"{name}.txt").exists()
    return f"{number:06d}" if taken else name

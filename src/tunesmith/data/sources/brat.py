"""brat's standoff: a text, and beside it a file of the same name with spans (T) and relations (R)."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pyarrow as pa

from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.offsets import pairs_of_ids, settled
from tunesmith.data.sources.source import Reading, Source, batched

_SPAN = re.compile(r"(T\S+)\t(\S+) (\d+(?: \d+(?:;\d+ \d+)*)?)\t(.*)")
_RELATION = re.compile(r"R\S+\t(\S+) \S+?:(\S+) \S+?:(\S+)\s*")
OTHERS = {
    "E": "events", "A": "attributes", "M": "attributes", "N": "links to other sources", "#": "notes",
    "*": "equivalences",
}  # fmt: skip
"""First characters of lines that are passed over, and what they hold."""


class Brat(Source):
    """A folder of brat's, a row a document: ``document``, ``text``, ``spans``, and ``relations`` where there are some.

    Events, attributes, notes and links are counted and left out. A document with a span of several pieces is put aside.

    Args:
        encoding: None: detected.
    """

    name: ClassVar[str] = "brat"
    summary: ClassVar[str] = "brat's standoff: .txt and .ann files beside each other, a row a document"
    suffixes: ClassVar[tuple[str, ...]] = (".ann",)

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    @classmethod
    def parts(cls, files: list[str]) -> list[str]:
        """A document is its .ann file."""
        return sorted({annotations_of(file) for file in files})

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The document; what is wrong in its .ann file puts all of it aside, with the line."""
        source = os.path.splitext(path)[0] + ".txt"
        if not os.path.isfile(source):
            reading.broken.append(BrokenRow(path, 1, f"its text {os.path.basename(source)} is not there", ""))
            return
        text = self._text(source)
        reading.encoding = detect(source, self.encoding).name
        try:
            row = row_of(text, self._text(path), reading.counts)
        except Problem as problem:
            reading.broken.append(BrokenRow(path, problem.line, problem.reason, problem.text.replace(MARK, "")))
            return
        yield from batched([{"document": os.path.splitext(os.path.basename(path))[0], **row}])

    def _text(self, path: str) -> str:
        with open_text(path, detect(path, self.encoding).name) as file:
            return file.read()


class Problem(Exception):
    """A line of an .ann file that cannot be read."""

    def __init__(self, line: int, reason: str, text: str) -> None:
        super().__init__(reason)
        self.line, self.reason, self.text = line, reason, text


def annotations_of(path: str) -> str:
    """The .ann file of a .txt or .ann file."""
    return os.path.splitext(path)[0] + ".ann"


def row_of(text: str, annotations: str, told: Counter[str]) -> dict[str, Any]:
    """A document as a row.

    Args:
        text: all of it, line ends as they are: brat counts them.
        annotations: the .ann file's content.
        told: takes what was left out and mended, in words -> how often.

    Raises:
        Problem: a line cannot be read, a span has several pieces, a relation's end is not there.
    """
    if MARK in text:
        raise Problem(1, "bytes of the text that do not decode", text[:200])
    spans: list[dict[str, Any]] = []
    ids: list[str] = []
    related: list[tuple[int, str, tuple[str, str, str]]] = []
    for number, ended in enumerate(annotations.split("\n"), 1):
        line = ended.rstrip("\r")
        if not line.strip():
            continue
        if line[0] == "T":
            name, span = _span(number, line, text, told)
            ids.append(name)
            spans.append(span)
        elif line[0] == "R":
            found = _RELATION.fullmatch(line)
            if found is None:
                raise Problem(number, "no relation such as R1<tab>works_for Arg1:T1 Arg2:T2", line)
            related.append((number, line, (found[2], found[3], found[1])))
        elif line[0] in OTHERS:
            told[f"{OTHERS[line[0]]} were left out"] += 1
        else:
            raise Problem(number, "no annotation of brat's", line)
    row: dict[str, Any] = {"text": text, "spans": spans}
    if related:
        row["relations"] = [_relation(number, line, ends, ids) for number, line, ends in related]
    return row


def _span(number: int, line: str, text: str, told: Counter[str]) -> tuple[str, dict[str, Any]]:
    found = _SPAN.fullmatch(line)
    if found is None:
        raise Problem(number, "no span such as T1<tab>PER 0 5<tab>Obama", line)
    name, label, place, shown = found.groups()
    if ";" in place or " " not in place:
        raise Problem(number, "a span of several pieces, which no task reads", line)
    start, end = map(int, place.split(" "))
    start, end, moved = settled(text, start, end, shown)
    told["spans were counted in UTF-16 units and are counted in characters now"] += moved
    # In the .ann file a line break inside a span is a space.
    here = text[start:end]
    shown = here if re.sub(r"[\r\n]", " ", here) == shown else shown
    return name, {"start": start, "end": end, "label": label, "text": shown}


def _relation(number: int, line: str, ends: tuple[str, str, str], ids: list[str]) -> dict[str, Any]:
    try:
        return pairs_of_ids([ends], ids)[0]
    except ValueError as error:
        raise Problem(number, str(error), line) from None

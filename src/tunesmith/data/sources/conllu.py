"""CoNLL-U, with the semantic roles of a proposition bank where there are some."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import pyarrow as pa

from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.conll import Line, sentences
from tunesmith.data.sources.source import Reading, Source, batched, lines_of

WORD, UPOS, HEAD = 1, 3, 6
FIRST_FRAME = 8
"""No frame stands left of this column: these are the columns of syntax."""
_FRAME = re.compile(r"\S+\.\S+")
_NUMBER = re.compile(r"\d+")
EMPTY = ("", "_")

Table = list[list[str]]
"""The cells of a sentence's words."""


class ConllU(Source):
    """A sentence's words, a row a predicate: ``words``, ``pos``, ``predicate_index``, ``predicate``, ``labels``.

    The frames of predicates (``work.01``) stand in one column, and after it a column of roles for each predicate
    of the sentence in order: Universal Propositions 1.0, CoNLL-2009. Files without frames give ``tokens`` and ``tags``
    (universal parts of speech), a row a sentence.

    Args:
        encoding: None: detected.
    """

    name: ClassVar[str] = "conllu"
    summary: ClassVar[str] = "CoNLL-U: semantic roles of a proposition bank, else parts of speech, also gzipped"
    suffixes: ClassVar[tuple[str, ...]] = (".conllu", ".conllup", ".conll09", ".conll2009")

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    @classmethod
    def recognises(cls, head: str) -> str:
        """Ten columns and more between tabs, of which the first counts and the seventh points at a head."""
        lines = [line.split("\t") for line in lines_of(head) if line.strip() and not line.startswith("#")]
        counted = [c for c in lines if len(c) >= FIRST_FRAME and _NUMBER.fullmatch(c[0]) and _NUMBER.fullmatch(c[HEAD])]
        words = [c for c in lines if _NUMBER.fullmatch(c[0])]
        if not counted or len(counted) < 0.9 * len(words) or counted[0][0] != "1":
            return ""
        return "its columns are those of CoNLL-U"

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's predicates, or its sentences where it has no frames."""
        reading.encoding = detect(path, self.encoding).name
        reading.delimiter = "\t"
        with open_text(path, reading.encoding) as file:
            frames = frame_column(words(sentence) for sentence in sentences(file))
        with open_text(path, reading.encoding) as file:
            yield from batched(_rows(sentences(file), frames, path, reading))


def frame_column(tables: Iterable[Table]) -> int | None:
    """The column of frames: it has, in most sentences, as many of them as there are columns after it."""
    agree: Counter[int] = Counter()
    for table in tables:
        for column in range(FIRST_FRAME, len(table[0]) if table else 0):
            cells = [row[column] for row in table if len(row) > column and row[column] not in EMPTY]
            fits = len(cells) == len(table[0]) - column - 1
            agree[column] += bool(cells) and fits and all(map(_FRAME.fullmatch, cells))
    return max(agree, key=lambda column: agree[column]) if agree.total() else None


def words(sentence: Iterable[Line]) -> Table:
    """The cells of its words; comments, multi-word tokens (``1-2``) and empty nodes (``1.1``) are left out."""
    cells = (line.text.split("\t") for line in sentence if not line.text.startswith("#"))
    return [row for row in cells if _NUMBER.fullmatch(row[0])]


def propositions(table: Table, frames: int) -> Iterator[dict[str, Any]]:
    """A row a predicate, which is V in its labels. One without a column of roles has no arguments.

    Args:
        table: a sentence's words, ``[words][columns]``.
        frames: the column of frames.
    """
    predicates = [index for index, row in enumerate(table) if _cell(row, frames) not in EMPTY]
    shared = {"words": [row[WORD] for row in table], "pos": [_cell(row, UPOS) for row in table]}
    for number, index in enumerate(predicates, frames + 1):
        labels = [_role(_cell(row, number)) for row in table]
        labels[index] = "V" if labels[index] == "O" else labels[index]
        yield {**shared, "predicate_index": index, "predicate": table[index][frames], "labels": labels}


def _rows(found: Iterable[list[Line]], frames: int | None, path: str, reading: Reading) -> Iterator[dict[str, Any]]:
    for sentence in found:
        table = words(sentence)
        problem = _problem(sentence, table, reading)
        if problem:
            reading.broken.append(BrokenRow(path, sentence[0].number, problem, _shown(sentence)))
        elif frames is None and table:
            yield {"tokens": [row[WORD] for row in table], "tags": [_cell(row, UPOS) for row in table]}
        elif frames is not None:
            rows = list(propositions(table, frames))
            reading.counts["sentences without a predicate give no row"] += not rows
            yield from rows


def _problem(sentence: Sequence[Line], table: Table, reading: Reading) -> str:
    if any(MARK in line.text for line in sentence):
        return f"bytes that are not {reading.encoding}"
    stray = [line for line in sentence if not line.text.startswith("#") and not line.text[:1].isdigit()]
    if stray:
        return f"line {stray[0].number} has no word's number in its first column"
    if any(len(row) <= WORD or not row[WORD] for row in table):
        return "a word is missing in the second column"
    return ""


def _cell(row: Sequence[str], column: int) -> str:
    return row[column] if column < len(row) else "_"


def _role(cell: str) -> str:
    return "O" if cell in EMPTY else cell


def _shown(sentence: Sequence[Line]) -> str:
    return "\n".join(line.text.replace(MARK, "") for line in sentence)[:500]

"""SemEval-2010 Task 8: a numbered sentence with two marked nominals, their relation, a comment, a blank line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import pyarrow as pa

from tunesmith.data.bytestream import MARK, open_text
from tunesmith.data.encoding import detect
from tunesmith.data.rows import BrokenRow
from tunesmith.data.sources.conll import Line, sentences
from tunesmith.data.sources.source import Reading, Source, batched

_SENTENCE = re.compile(r'(\d+)\t"?(.*?)"?\s*')
_MARKED = re.compile(r"^\d+\t.*<e1>.+</e1>.*<e2>.+</e2>", re.M)


class SemEval(Source):
    """The task's own files (Hendrickx et al. 2010): ``id``, ``sentence``, ``label``, ``comment``.

    Args:
        encoding: None: detected.
    """

    name: ClassVar[str] = "semeval"
    summary: ClassVar[str] = "SemEval-2010 Task 8: sentences with marked nominals and their relation, also gzipped"

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = encoding

    @classmethod
    def recognises(cls, head: str) -> str:
        """A numbered sentence with both marks at the top, and a blank line after each."""
        first, _, rest = head.lstrip().partition("\n")
        if _MARKED.match(first) and rest and not _MARKED.match(rest):
            return "numbered sentences mark <e1> and <e2>, and the relation stands below"
        return ""

    def batches(self, path: str, reading: Reading) -> Iterator[pa.RecordBatch]:
        """The file's sentences."""
        reading.encoding = detect(path, self.encoding).name
        with open_text(path, reading.encoding) as file:
            yield from batched(_rows(sentences(file), path, reading))


def _rows(blocks: Iterable[list[Line]], path: str, reading: Reading) -> Iterator[dict[str, Any]]:
    for block in blocks:
        found = _SENTENCE.fullmatch(block[0].text)
        if found is None or MARK in block[0].text:
            reason = "no numbered sentence" if found is None else f"bytes that are not {reading.encoding}"
            reading.broken.append(BrokenRow(path, block[0].number, reason, block[0].text.replace(MARK, "")))
            continue
        row: dict[str, Any] = {"id": int(found[1]), "sentence": found[2]}
        others = [line.text.strip() for line in block[1:]]
        comments = [text.partition(":")[2].strip() for text in others if text.startswith("Comment:")]
        labels = [text for text in others if not text.startswith("Comment:")]
        yield {**row, **({"label": labels[0]} if labels else {}), "comment": " ".join(comments)}

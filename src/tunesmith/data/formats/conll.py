"""Write CoNLL columns: a token, a tab and its tag a line, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from tunesmith.data.formats.format import Format, Row, Writing, count_left
from tunesmith.data.sources.conll import BLANK
from tunesmith.data.spans import without_duplicates
from tunesmith.data.tags import WordSpan, write_tags
from tunesmith.data.words_in_text import UNSPACED, units

_UNSPACED = re.compile(f"[{UNSPACED}]")
_BREAKS = re.compile(r"[\t\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

Scheme = Literal["BIO", "BIOES", "BMES", "IOB1", "plain"]


class ConllFormat(Format):
    """A token and its tag a line.

    Tokens are those that the rows came with; else words, numbers and signs, and where a text has Chinese (or another
    writing without spaces) every character, blanks among them (``▁``). Of spans that overlap the longest is kept.

    Args:
        scheme: how spans are written: BIO, BIOES, BMES or IOB1; "plain": the label alone, as for parts of speech.
    """

    name: ClassVar[str] = "conll"
    summary: ClassVar[str] = "CoNLL columns, a token and its tag a line; spans that overlap are reduced to the longest"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("text", "spans"),)
    holds: ClassVar[tuple[str, ...]] = ("spans",)

    def __init__(self, scheme: Scheme = "BIO") -> None:
        self.scheme: Scheme = scheme

    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """A sentence a row."""
        with path.open("w", encoding="utf-8", newline="") as file:
            for row in rows:
                count_left(self, row, writing)
                file.writelines(f"{token}\t{tag}\n" for token, tag in lines(row, self.scheme, writing))
                file.write("\n")
                writing.entries += 1


def lines(row: Row, scheme: Scheme, writing: Writing) -> Iterator[tuple[str, str]]:
    """(token, tag) of a row's words."""
    spans = longest(row.get("spans") or [])
    writing.left["spans that overlap a longer one"] += len(without_duplicates(row.get("spans") or [])) - len(spans)
    words = words_of(row, spans)
    found = [(span, _words_in(words, span)) for span in spans]
    writing.left["spans without a word in them"] += sum(not inside for _, inside in found)
    placed = [WordSpan(inside[0], inside[-1] + 1, str(span["label"])) for span, inside in found if inside]
    if scheme == "plain":
        tags = ["O"] * len(words)
        for start, end, label in placed:
            tags[start:end] = [label] * (end - start)
    else:
        tags = write_tags(placed, len(words), scheme)
    for (start, end), tag in zip(words, tags, strict=True):
        token = row["text"][start:end]
        yield (_BREAKS.sub(BLANK, token) if token.strip() else BLANK), tag


def longest(spans: Iterable[Any]) -> list[Any]:
    """Spans that do not overlap: the longest first, of equal ones the first.

    >>> [span["end"] for span in longest([{"start": 0, "end": 2, "label": "a"}, {"start": 1, "end": 9, "label": "b"}])]
    [9]
    """
    kept: list[Any] = []
    for span in sorted(without_duplicates(spans), key=lambda span: (span["start"] - span["end"], span["start"])):
        if all(span["end"] <= other["start"] or other["end"] <= span["start"] for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: int(span["start"]))


def words_of(row: Row, spans: Iterable[Any]) -> list[tuple[int, int]]:
    """[start, end] of each token, cut where a span begins or ends inside of one."""
    text = row["text"]
    if row.get("words"):
        words = [(start, end) for start, end in row["words"]]
    else:
        words = [(at, at + 1) for at in range(len(text))] if _UNSPACED.search(text) else units(text)
    edges = sorted({edge for span in spans for edge in (span["start"], span["end"])})
    return [piece for word in words for piece in _cut(word, edges)]


def _cut(word: tuple[int, int], edges: Sequence[int]) -> list[tuple[int, int]]:
    inside = [edge for edge in edges if word[0] < edge < word[1]]
    ends = [word[0], *inside, word[1]]
    return list(zip(ends, ends[1:], strict=False))


def _words_in(words: Sequence[tuple[int, int]], span: Any) -> list[int]:
    return [i for i, (start, end) in enumerate(words) if span["start"] <= start and end <= span["end"]]

"""A text and the spans in it: names, phrases, or a tag for every word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.shapes.span_cells import span_of, spans_in, tags_in, tokens_in, words_in
from tunesmith.data.spans import broken, overlapping, without_duplicates
from tunesmith.data.tags import ONE_LABEL, Reading, Style, is_bare, labelled, read_tags, style_of
from tunesmith.data.traits import Traits
from tunesmith.data.words import TEXT, normal
from tunesmith.data.words_in_text import joined

TOKENS = (
    "tokens", "words", "token", "word", "chars", "characters", "sentence", "text", "字", "词", "词语", "分词", "字符",
)  # fmt: skip
TAGS = (
    "ner_tags", "tags", "ner", "bio", "bio_tags", "labels", "label", "tag", "pos_tags", "pos", "upos", "xpos",
    "entities", "chunk_tags", "标签", "标注", "实体", "词性",
)  # fmt: skip
SPANS = (
    "spans", "entities", "label", "labels", "annotations", "ner", "entity", "annotation", "result", "实体", "标注",
    "标签", "实体列表",
)  # fmt: skip
FIT = 0.8
"""Share of a sample's rows that must be of this shape; the others are broken rows, and are told as such."""


class TokenShape(Shape):
    """Gives ``text``, ``spans`` (``{"start", "end", "label"}``), and ``words`` ([start, end]) where tokens are given.

    Read are tokens with tags, and texts with spans; ``tasks/token-classification`` in the docs has all spellings.
    """

    task: ClassVar[str] = "token-classification"
    summary: ClassVar[str] = "tokens with tags, or a text with spans: named entities, parts of speech"
    roles: ClassVar[tuple[str, ...]] = ("text", "tokens", "tags", "words", "spans")
    target: ClassVar[str] = "spans"
    keeps_text: ClassVar[bool] = True

    def __init__(self) -> None:
        self._tags = Reading()
        self._counts: Counter[str] = Counter()
        self._bare = False
        self._style: Style | None = None

    def over(self, columns: Mapping[str, Callable[[], list[Any]]]) -> Self:
        """How the file's tags are written, and whether they name no label: one row of them could be anything."""
        if "tags" in columns:
            tags = Counter(_all_tags(columns["tags"]()))
            self._bare = is_bare(tags)
            self._style = None if self._bare else style_of(tags)
        return self

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """Tokens and tags of equal number, or a text beside spans; by the columns' names, and what is in them."""
        named = {normal(name): name for name in found}
        tokens = [named[n] for n in TOKENS if n in named]
        for tags in (named[n] for n in TAGS if n in named):
            for text in tokens:
                if text != tags and _match(samples.get(text, []), samples.get(tags, [])):
                    why.append(f'tokens and tags: "{text}" and "{tags}", as many tags as tokens')
                    return {"tokens": text, "tags": tags}
        for spans in (named[n] for n in SPANS if n in named):
            holder = _text(found, spans)
            if holder and _hold_spans(samples.get(spans, [])):
                why.append(f'text: "{holder}"; spans: "{spans}", its cells hold places and labels')
                return {"text": holder, "spans": spans}
        return {}

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        tags = tags_in(cells["tags"]) if target and cells.get("tags") is not None else None
        text, words = _text_and_words(cells, None if tags is None else len(tags))
        row: dict[str, Any] = {"text": text}
        if words is not None:
            row["words"] = words
        if target:
            if not text.strip():
                raise RowProblem("the text is empty")
            row["spans"] = self._from_tags(tags, words or []) if tags is not None else self._spans(cells, text, words)
        yield row

    def names(self, value: Any) -> list[str]:
        """The spans' labels."""
        return [str(span["label"]) for span in value or []]

    def repaired(self) -> dict[str, int]:
        """Tags read against their scheme, spans that were there twice, and those that overlap."""
        return dict(self._tags.mended() + self._counts)

    def _from_tags(self, tags: list[str], words: list[list[int]]) -> list[dict[str, Any]]:
        if self._bare:
            tags = labelled(tags)
            self._counts[f'rows whose tags name no label: their spans are called "{ONE_LABEL}"'] += 1
        try:
            reading = read_tags(tags, self._style)
        except ValueError as error:
            raise RowProblem(str(error)) from error
        self._tags.add(reading)
        return [
            {"start": words[span.start][0], "end": words[span.end - 1][1], "label": span.label}
            for span in reading.spans
        ]

    def _spans(self, cells: Cells, text: str, words: list[list[int]] | None) -> list[dict[str, Any]]:
        if cells.get("spans") is None:
            raise RowProblem("neither spans nor tags are given; a row without any has an empty list")
        found = [span_of(value) for value in spans_in(cells["spans"])]
        for span in found:
            if (problem := broken(text, span, words)) is not None:
                raise RowProblem(problem)
        unique = without_duplicates(found)
        self._counts["spans that were given twice"] += len(found) - len(unique)
        self._counts["spans that overlap another (see the option nested)"] += len(overlapping(unique))
        return [{key: span[key] for key in ("start", "end", "label")} for span in unique]


def _all_tags(cells: list[Any]) -> Iterator[str]:
    """Every tag of a column, but of cells that cannot be read."""
    for cell in cells:
        if cell is not None:
            try:
                yield from tags_in(cell)
            except RowProblem:
                continue


def _text_and_words(cells: Cells, tags: int | None) -> tuple[str, list[list[int]] | None]:
    """The text, and its words where tokens (or as many tags as there are words in the text) tell them."""
    if cells.get("tokens") is not None:
        return joined(tokens_in(cells["tokens"], tags))
    text = cells.get("text")
    if isinstance(text, list):
        return joined(tokens_in(text, tags))
    if not isinstance(text, str):
        raise RowProblem("there is no text" if text is None else f"the text is of type {type(text).__name__}")
    if tags is not None:
        return joined(tokens_in(text, tags))
    words = cells.get("words")
    return text, None if words is None else words_in(words, text)


def _match(texts: list[Any], tags: list[Any]) -> bool:
    if not texts or len(texts) != len(tags):
        return False
    counts = [_tags_of(*pair) for pair in zip(texts, tags, strict=True)]
    # A word and its label is a row of text classification.
    return sum(counts) > len(counts) and sum(count > 0 for count in counts) >= FIT * len(counts)


def _tags_of(text: Any, tags: Any) -> int:
    """How many tokens with tags; 0 where they do not match."""
    try:
        count = len(tags_in(tags, numbers=True))
        return len(tokens_in(text, count))
    except RowProblem:
        return 0


def _hold_spans(values: list[Any]) -> bool:
    def able(value: Any) -> int | None:
        try:
            return len([span_of(span) for span in spans_in(value)])
        except RowProblem:
            return None

    counts = [able(value) for value in values]
    good = [count for count in counts if count is not None]
    return any(good) and len(good) >= FIT * len(counts)


def _text(found: Mapping[str, Traits], taken: str) -> str | None:
    names = {normal(name): name for name in found if name != taken}
    named = next((names[name] for name in TEXT if name in names), None)
    prose = [look for name, look in found.items() if name != taken and look.prose]
    return named or (max(prose, key=lambda look: look.length).name if prose else None)

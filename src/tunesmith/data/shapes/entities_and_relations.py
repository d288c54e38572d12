"""A text, the entities in it, and the relations between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tunesmith.data.shapes.parsed import parsed, quoted, whole_number
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.shapes.span_cells import span_of, spans_in
from tunesmith.data.shapes.token_classification import TokenShape
from tunesmith.data.spans import overlapping
from tunesmith.data.traits import Traits
from tunesmith.data.words import normal

Span = Mapping[str, Any]

RELATIONS = ("relations", "relation", "relation_list", "triples", "links", "关系", "关系列表", "三元组")
HEAD = ("head", "from", "source", "subject", "subj", "h", "e1")
TAIL = ("tail", "to", "target", "object", "obj", "t", "e2")
LABEL = ("label", "type", "relation", "predicate", "rel")
FIT = 0.8
"""Share of a sample's rows whose relations must be such."""


class JointShape(Shape):
    """Gives ``text``, ``words``, ``spans`` in order, and ``relations``: ``{"head", "tail", "label"}``.

    Head and tail are numbers of spans, from 0. Spans and words are spelled as for token classification.
    """

    task: ClassVar[str] = "entities-and-relations"
    summary: ClassVar[str] = "a text, spans in it, and relations between these: brat, doccano"
    roles: ClassVar[tuple[str, ...]] = ("text", "tokens", "words", "spans", "relations")
    target: ClassVar[str] = "relations"
    keeps_text: ClassVar[bool] = True

    def __init__(self) -> None:
        self._spans = TokenShape()

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """A text beside spans, and a column of relations that hold pairs of them."""
        named = {normal(name): name for name in found}
        column = next((named[name] for name in RELATIONS if name in named), None)
        if column is None or not _hold_relations(samples.get(column, [])):
            return {}
        told: list[str] = []
        others = {name: look for name, look in found.items() if name != column}
        spans = self._spans.guess(others, samples, told)
        if "spans" not in spans:
            return {}
        why += [*told, f'relations: "{column}", its cells hold pairs of spans']
        return {**spans, "relations": column}

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        (row,) = self._spans.read(cells, target=target)
        if target:
            if crossing := overlapping(row["spans"]):
                one = crossing[0]
                raise RowProblem(f"the span {one['start']}-{one['end']} overlaps another: {quoted(row['text'])}")
            given = [span_of(span) for span in spans_in(cells["spans"])]
            row["relations"] = _relations(_cell(cells), given, row["spans"], row["text"])
        yield row

    def names(self, value: Any) -> list[str]:
        """The relations."""
        return [str(relation["label"]) for relation in value or []]

    def repaired(self) -> dict[str, int]:
        """What was mended in the spans."""
        return self._spans.repaired()


def _cell(cells: Cells) -> Any:
    """The relations' cell; in a file that has such a column, an empty one says that there are none."""
    return cells["relations"] or [] if "relations" in cells else None


def _relations(cell: Any, given: Sequence[Span], spans: Sequence[Span], text: str) -> list[dict[str, Any]]:
    """The relations, once each, pointing into ``spans``; ``given`` are the spans in the file's order."""
    value = parsed(cell)
    if not isinstance(value, list):
        raise RowProblem(f"relations are no list; a row without any has an empty list: {quoted(text)}")
    places = {_key(span): i for i, span in enumerate(spans)}
    found: dict[tuple[int, int, str], None] = {}
    for relation in value:
        head, tail, label = _parts(relation)
        ends = [_end(end, given, places, text) for end in (head, tail)]
        if ends[0] == ends[1]:
            raise RowProblem(f'the relation "{label}" has one span at both ends: {quoted(text)}')
        found[ends[0], ends[1], label] = None
    return [{"head": head, "tail": tail, "label": label} for head, tail, label in sorted(found)]


def _parts(relation: Any) -> tuple[Any, Any, str]:
    """Head, tail and label of a relation: a mapping, or ``[head, tail, label]`` with the label anywhere."""
    if isinstance(relation, Mapping):
        parts = [next((relation[key] for key in keys if relation.get(key) is not None), None) for keys in (HEAD, TAIL)]
        label = next((relation[key] for key in LABEL if relation.get(key) not in (None, "")), None)
    elif isinstance(relation, list) and len(relation) == 3:
        label = next((part for part in relation if isinstance(part, str)), None)
        parts = [part for part in relation if part is not label]
    else:
        parts, label = [], None
    if len(parts) != 2 or None in parts or not isinstance(label, str | int):
        raise RowProblem(f"a relation has no head, tail and label: {quoted(str(relation))}")
    return parts[0], parts[1], str(label)


def _end(end: Any, given: Sequence[Span], places: Mapping[Any, int], text: str) -> int:
    """The place in the row's spans of what a relation names: a number of the file's spans, or a span itself."""
    index = whole_number(end)
    if index is not None and 0 <= index < len(given):
        return places[_key(given[index])]
    if index is not None:
        raise RowProblem(f"a relation names span {index} of {len(given)}: {quoted(text)}")
    if isinstance(end, Mapping):
        end = [end.get("start"), end.get("end")]
    place = tuple(end[:2]) if isinstance(end, list) else ()
    matching = [i for (start, stop, _), i in places.items() if (start, stop) == place]
    if not matching:
        raise RowProblem(f"a relation names {quoted(str(end))}, which is no span: {quoted(text)}")
    return matching[0]


def _key(span: Span) -> tuple[int, int, str]:
    return span["start"], span["end"], str(span["label"])


def _hold_relations(values: list[Any]) -> bool:
    def able(value: Any) -> int | None:
        cell = parsed(value)
        try:
            return len([_parts(relation) for relation in cell]) if isinstance(cell, list) else None
        except RowProblem:
            return None

    counts = [able(value) for value in values]
    good = [count for count in counts if count is not None]
    return any(good) and len(good) >= FIT * len(counts)

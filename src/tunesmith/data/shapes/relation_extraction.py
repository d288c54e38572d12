"""A text with two entities in it, and the relation between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tunesmith.data.shapes.entity import Entity, entity_of, is_marked, placed, shown, unmarked
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.traits import Traits
from tunesmith.data.words import TEXT, normal, rank

PAIRS = (
    ("head", "tail"), ("e1", "e2"), ("h", "t"), ("entity1", "entity2"), ("entity_1", "entity_2"), ("ent1", "ent2"),
    ("head_entity", "tail_entity"), ("entity_head", "entity_tail"), ("entity_a", "entity_b"), ("subject", "object"),
    ("subj", "obj"), ("头实体", "尾实体"), ("实体1", "实体2"), ("主体", "客体"), ("主语", "宾语"),
)  # fmt: skip
"""Names of the columns of both entities."""
RELATION = (
    "relation", "rel", "relation_type", "relation_label", "label", "predicate", "target", "type", "class", "category",
    "关系", "关系类型", "标签", "类别",
)  # fmt: skip
MARKED = 0.9
"""Share of a column's values with marked entities from which on it is the text."""
LONGEST_NAME = 100
"""Mean characters from which on a column does not hold names of entities."""


class RelationShape(Shape):
    """Gives ``text``, ``head`` and ``tail`` (``{"start", "end", "label"?}``), and ``label``."""

    task: ClassVar[str] = "relation-extraction"
    summary: ClassVar[str] = "a text, two entities in it (marked, by name or by place) and their relation"
    roles: ClassVar[tuple[str, ...]] = ("text", "head", "tail", "label")
    target: ClassVar[str] = "label"
    keeps_text: ClassVar[bool] = True

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """A column with marked entities, or a text beside two columns that are called as entities are."""
        marked = next((name for name in found if _marks(samples.get(name, []))), None)
        if marked is not None:
            why.append(f'text: "{marked}", its entities are marked')
            return {"text": marked, **_relation(found, {marked}, why)}
        names = {normal(name): name for name, look in found.items() if look.length < LONGEST_NAME and not look.measure}
        for one, other in PAIRS:
            if one not in names or other not in names:
                continue
            pair = {"head": names[one], "tail": names[other]}
            text = _text(found, set(pair.values()))
            label = _relation(found, {*pair.values(), text}, why) if text else {}
            if text and label:
                why.append(f'text: "{text}"; head and tail: "{names[one]}" and "{names[other]}", by their names')
                return {"text": text, **pair, **label}
        return {}

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row; see ``entity`` for the ways in which entities are spelled."""
        text = cells.get("text")
        if not isinstance(text, str) or not text.strip():
            raise RowProblem("the text is empty")
        head, tail = cells.get("head"), cells.get("tail")
        one: Entity | str
        other: Entity | str
        named = head not in (None, "") and tail not in (None, "")
        if not named or is_marked(text) and not (_has_place(head) and _has_place(tail)):
            text, one, other = unmarked(text)
        else:
            one, other = entity_of(head, "head"), entity_of(tail, "tail")
        one, other = placed(text, one, other)
        label = cells.get("label")
        if target and (label is None or not str(label).strip()):
            raise RowProblem(f'there is no label: "{shown(text)}"')
        yield {"text": text, "head": one, "tail": other, **({} if label is None else {"label": label})}

    def names(self, value: Any) -> list[str]:
        """The relation."""
        return [] if value is None else [str(value)]


def _marks(values: list[Any]) -> bool:
    texts = [value for value in values if isinstance(value, str)]
    return bool(texts) and sum(map(is_marked, texts)) >= MARKED * len(values)


def _has_place(value: Any) -> bool:
    return value not in (None, "") and not isinstance(entity_of(value, "entity"), str)


def _text(found: Mapping[str, Traits], taken: set[str]) -> str | None:
    prose = [look for name, look in found.items() if name not in taken and look.prose]
    named = [look for look in prose if rank(look.name, TEXT) is not None]
    chosen = min(named, key=lambda look: rank(look.name, TEXT) or 0) if named else None
    chosen = chosen or max(prose, key=lambda look: look.length, default=None)
    return chosen.name if chosen else None


def _relation(found: Mapping[str, Traits], taken: set[str], why: list[str]) -> dict[str, Any]:
    able = [look for name, look in found.items() if name not in taken and rank(name, RELATION) is not None]
    if not able:
        return {}
    chosen = min(able, key=lambda look: rank(look.name, RELATION) or 0)
    why.append(f'label: "{chosen.name}", by its name ({chosen.distinct} values)')
    return {"label": chosen.name}

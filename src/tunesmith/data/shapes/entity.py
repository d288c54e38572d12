"""An entity in a text: however a file says where it is, the same ``{"start", "end", "label"?}``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tunesmith.data.shapes.shape import RowProblem

Entity = dict[str, Any]
"""``start`` and ``end`` (characters, end exclusive), and ``label`` where its kind is known."""

MARKS = (
    (re.compile(r"<(/?)e([12])>", re.I), "<e1>"),
    (re.compile(r"\[(/?)e([12])\]", re.I), "[E1]"),
)
"""How entities are marked inside a text, and the mark's name: ``<e1>..</e1>``, ``[E1]..[/E1]``."""
TRIED = 50
"""Occurrences of a name that are tried for a place apart from the other entity."""
SHOWN = 60


def is_marked(text: str) -> bool:
    """Whether both entities are marked inside the text, in one of the ways of ``MARKS``."""
    wanted = {("", "1"), ("/", "1"), ("", "2"), ("/", "2")}
    return any({match.groups() for match in pattern.finditer(text)} == wanted for pattern, _ in MARKS)


def unmarked(text: str) -> tuple[str, Entity, Entity]:
    """The text without its marks, and where both entities are in it.

    >>> unmarked("The <e1>author</e1> of a <e2>book</e2>.")
    ('The author of a book.', {'start': 4, 'end': 10}, {'start': 16, 'end': 20})

    Raises:
        RowProblem: a mark is missing, there twice, or closed before it is opened.
    """
    for pattern, name in MARKS:
        found = list(pattern.finditer(text))
        if not found:
            continue
        places: dict[tuple[str, str], int] = {}
        removed = 0
        for match in found:
            if (match[1], match[2]) in places:
                raise RowProblem(f'the mark {match[0]} is there twice: "{shown(text)}"')
            places[match[1], match[2]] = match.start() - removed
            removed += len(match[0])
        if len(places) == 4:
            plain = pattern.sub("", text)
            ends = [{"start": places["", which], "end": places["/", which]} for which in "12"]
            return plain, trimmed(plain, ends[0], "head"), trimmed(plain, ends[1], "tail")
        raise RowProblem(f'the text has only some of the four marks such as {name}: "{shown(text)}"')
    raise RowProblem(f'there is no head or no tail, and none is marked in the text: "{shown(text)}"')


def trimmed(text: str, entity: Mapping[str, Any], role: str) -> Entity:
    """The entity without white space at its ends.

    Raises:
        RowProblem: its offsets are outside the text, or there is nothing between them.
    """
    start, end = entity["start"], entity["end"]
    if not 0 <= start < end <= len(text):
        where = "outside" if min(start, end) < 0 or max(start, end) > len(text) else "empty in"
        raise RowProblem(f'{role} [{start}, {end}] is {where} the text of {len(text)} characters: "{shown(text)}"')
    inside = text[start:end]
    start += len(inside) - len(inside.lstrip())
    end -= len(inside) - len(inside.rstrip())
    if start >= end:
        raise RowProblem(f'{role} [{entity["start"]}, {entity["end"]}] is only white space: "{shown(text)}"')
    label = entity.get("label")
    return {"start": start, "end": end, **({"label": str(label)} if label not in (None, "") else {})}


def entity_of(value: Any, role: str) -> Entity | str:
    """A cell as a place ``{"start", "end", "label"?}``, or as the entity's name where it gives no place.

    Read are ``{"start", "end"}``, ``{"name", "pos": [s, e], "type"?}``, ``[s, e]``, names, and each as JSON text.

    Raises:
        RowProblem: it is none of these.
    """
    value = _from_json(value)
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, Mapping):
        label = next((value[key] for key in ("label", "type") if value.get(key)), None)
        place = value.get("pos") or [value.get("start"), value.get("end")]
        if _is_place(place):
            return {"start": int(place[0]), "end": int(place[1]), "label": label}
        name = next((value[key] for key in ("name", "text", "word") if value.get(key)), None)
        if isinstance(name, str) and name.strip():
            return name.strip()
    elif _is_place(value):
        return {"start": int(value[0]), "end": int(value[1])}
    raise RowProblem(f"{role} is neither a place such as [0, 4] nor a name: {shown(json.dumps(value, default=str))}")


def placed(text: str, head: Entity | str, tail: Entity | str) -> tuple[Entity, Entity]:
    """Both entities' places. A name is taken where it first stands apart from the other entity, else inside it.

    >>> placed("上海东汐的东汐", "东汐", "上海东汐")
    ({'start': 5, 'end': 7}, {'start': 0, 'end': 4})

    Raises:
        RowProblem: a name is not in the text; a place is outside of it; both are the same place, or cross.
    """
    heads, tails = _candidates(text, head, "head"), _candidates(text, tail, "tail")
    pairs = [(one, other) for one in heads for other in tails]
    apart = (pair for pair in pairs if pair[0]["end"] <= pair[1]["start"] or pair[1]["end"] <= pair[0]["start"])
    one, other = next(apart, pairs[0])
    _refuse_overlap(text, one, other)
    return one, other


def _refuse_overlap(text: str, one: Entity, other: Entity) -> None:
    (a, b), (c, d) = (one["start"], one["end"]), (other["start"], other["end"])
    if (a, b) == (c, d):
        raise RowProblem(f'head and tail are the same place, "{shown(text[a:b])}": "{shown(text)}"')
    if a < c < b < d or c < a < d < b:
        raise RowProblem(f'head "{shown(text[a:b])}" and tail "{shown(text[c:d])}" cross: "{shown(text)}"')


def _candidates(text: str, entity: Entity | str, role: str) -> Sequence[Entity]:
    if not isinstance(entity, str):
        return [trimmed(text, entity, role)]
    found = [{"start": at, "end": at + len(entity)} for at in _occurrences(text, entity)]
    if not found:
        raise RowProblem(f'{role} "{shown(entity)}" is not in the text: "{shown(text)}"')
    return found


def _occurrences(text: str, name: str) -> Iterator[int]:
    at = text.find(name)
    for _ in range(TRIED):
        if at < 0:
            return
        yield at
        at = text.find(name, at + 1)


def _is_place(value: Any) -> bool:
    whole = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    return whole and all(isinstance(n, int | float) and not isinstance(n, bool) and n == int(n) for n in value)


def _from_json(value: Any) -> Any:
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def shown(text: str) -> str:
    """The beginning of a text, for messages."""
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"

"""What somebody says would have been right, beside what was answered: a row to learn from, and whether both agree.

The fields of the answer tell what it answers, so that no bundle has to be opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.tasks.answer_match import exact

Said = Any
"""JSON, as a client sent it: the bare value, or under its name."""


@dataclass(frozen=True)
class Kind:
    """Answers of one sort.

    Args:
        field: of the answer, by which it is known.
        role: of the right answer in a data file.
        same: (answer, right) -> whether they agree; None: there is no one right answer (a number, a text, a vector).
        names: under which the right answer may stand, the role and the field besides.
        row: (right, asked, answer) -> what a data file has, where that is not what was sent.
    """

    field: str
    role: str
    same: Callable[[Mapping[str, Any], Said], bool] | None
    names: tuple[str, ...] = ()
    row: Callable[[Said, Mapping[str, Any], Mapping[str, Any]], Said] = lambda right, asked, answer: right


def row_of(right: Said, asked: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """A right answer under the roles that rows of a data file have it in.

    >>> row_of("refund", {"text": "..."}, {"label": "order", "score": 0.7})
    {'label': 'refund'}
    >>> row_of(1, {"question": "?", "choices": ["Lyon", "Rome"]}, {"choice": 0, "text": "Lyon"})
    {'answer': 'Rome'}
    """
    kind = kind_of(answer)
    if kind is None or _several(right):
        return dict(right) if isinstance(right, Mapping) else {"label": right}
    role = _written(asked) if kind.field == "text" else kind.role
    return {role: kind.row(_bare(right, kind), asked, answer)}


def agrees(answer: Any, right: Said) -> bool | None:
    """Whether an answer says what would have been right; None where that is no question of yes or no.

    >>> agrees({"label": "5", "score": 0.9}, 5), agrees({"labels": ["b", "a"]}, ["a", "b"]), agrees({"value": 0.5}, 0.5)
    (True, True, None)
    """
    if isinstance(answer, Mapping) and isinstance(parts := answer.get("answers"), Mapping):
        return _of_parts(parts, right)
    kind = kind_of(answer)
    if kind is None or kind.same is None:
        return None
    return kind.same(answer, right if _several(right) else _bare(right, kind))


def kind_of(answer: Any) -> Kind | None:
    """By the answer's fields."""
    if not isinstance(answer, Mapping):
        return None
    return next((kind for kind in KINDS if kind.field in answer), None)


def _bare(right: Said, kind: Kind) -> Said:
    if isinstance(right, Mapping):
        for name in (kind.role, kind.field, *kind.names):
            if name in right:
                return right[name]
    return right


def _several(right: Said) -> bool:
    return isinstance(right, Mapping) and {"spans", "relations"} <= right.keys()


def _of_parts(parts: Mapping[str, Any], right: Said) -> bool | None:
    if not isinstance(right, Mapping):
        return None
    found = [agrees(parts[name], value) for name, value in right.items() if name in parts]
    judged = [one for one in found if one is not None]
    return all(judged) if judged else None


def _label(answer: Mapping[str, Any], right: Said) -> bool:
    return str(answer["label"]) == str(_one(right))


def _one(right: Said) -> Said:
    return right[0] if isinstance(right, list) and len(right) == 1 else right


def _labels(answer: Mapping[str, Any], right: Said) -> bool:
    wanted = right if isinstance(right, list) else [right]
    return sorted(map(str, answer["labels"])) == sorted(map(str, wanted))


def _relation(answer: Mapping[str, Any], right: Said) -> bool:
    return str(answer["relation"]) == str(right)


def _choice(answer: Mapping[str, Any], right: Said) -> bool:
    return bool(answer["choice"] == right if isinstance(right, int) else answer.get("text") == right)


def _answer(answer: Mapping[str, Any], right: Said) -> bool:
    return any(exact(str(answer["answer"]), text) for text in _texts(right) or [""])


def _item(answer: Mapping[str, Any], right: Said) -> bool:
    return str(right) in {str(one.get("item")) for one in answer["items"]}


def _places(field: str) -> Callable[[Mapping[str, Any], Said], bool]:
    return lambda answer, right: _marks(answer[field]) == _marks(right)


def _joint(answer: Mapping[str, Any], right: Said) -> bool:
    if not isinstance(right, Mapping):  # the entities alone were put right
        return _marks(answer.get("spans", [])) == _marks(right)
    return _marks(answer.get("spans", [])) == _marks(right["spans"]) and _links(answer) == _links(right)


def _marks(spans: Any) -> set[tuple[Any, ...]] | None:
    """Start, end and label of each; None where they are none."""
    if not isinstance(spans, list) or not all(isinstance(one, Mapping) for one in spans):
        return None
    return {(one.get("start"), one.get("end"), one.get("label", one.get("role"))) for one in spans}


def _links(told: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """Head, tail and name of each relation, however its ends are told."""
    spans = told.get("spans", [])

    def end(of: Any) -> Any:
        one = spans[of] if isinstance(of, int) and 0 <= of < len(spans) else of
        return (one.get("start"), one.get("end")) if isinstance(one, Mapping) else one

    return {
        (end(one.get("head")), end(one.get("tail")), one.get("relation", one.get("label")))
        for one in told.get("relations", [])
        if isinstance(one, Mapping)
    }


def _texts(right: Said) -> list[str]:
    """Of an answer, or of several: ``"Lyon"``, ``{"text": "Lyon", "start": 17}``, a list of either."""
    some = right if isinstance(right, list) else [right]
    return [str(one.get("text", one.get("answer", ""))) if isinstance(one, Mapping) else str(one) for one in some]


def _chosen(right: Said, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> Said:
    """The choice's text: files count choices from 0 or from 1."""
    choices = asked.get("choices") or []
    return choices[right] if isinstance(right, int) and 0 <= right < len(choices) else right


def _written(asked: Mapping[str, Any]) -> str:
    """The column of a written text: what a conversation goes on with, what obeys a control, or what a text becomes."""
    if "messages" in asked or "prompt" in asked:
        return "completion"
    return "text" if "control" in asked else "target"


KINDS: tuple[Kind, ...] = (
    Kind("label", "label", _label, names=("labels",), row=lambda right, asked, answer: str(_one(right))),
    Kind("roles", "roles", _places("roles")),
    Kind("relations", "spans", _joint),
    Kind("spans", "spans", _places("spans")),
    Kind("answer", "answers", _answer, row=lambda right, asked, answer: _texts(right)),
    Kind("choice", "answer", _choice, names=("label",), row=_chosen),
    Kind("relation", "label", _relation),
    Kind("labels", "labels", _labels, names=("label",)),
    Kind("value", "label", None, names=("score",)),
    Kind("items", "item", _item),
    Kind("text", "target", None, names=("completion",)),
    Kind("score", "score", None),
    Kind("vector", "score", None),
)
"""The first whose field an answer has; an answer's own fields only, so the order tells apart what shares one."""

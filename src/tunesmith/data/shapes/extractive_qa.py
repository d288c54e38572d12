"""A question, the text that it is asked of, and where its answer stands there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tunesmith.data.shapes.parsed import parsed, quoted, whole_number
from tunesmith.data.shapes.samples import Samples
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.traits import Traits
from tunesmith.data.words import rank

NAMES: dict[str, tuple[str, ...]] = {
    "question": ("question", "query", "question_text", "问题", "提问", "问句"),
    "context": (
        "context", "passage", "paragraph", "document", "article", "text", "review", "上下文", "文章", "段落", "原文",
        "材料", "篇章", "正文",
    ),
    "answers": ("answers", "answer", "answer_text", "gold_answer", "答案", "回答"),
    "answer_start": ("answer_start", "start", "answer_offset", "start_position", "答案位置"),
    "is_impossible": ("is_impossible", "impossible", "unanswerable", "no_answer"),
}  # fmt: skip
STARTS = ("start", "answer_start", "offset")
"""Keys under which an answer's place is written."""
FOUND = 0.5
"""Share of plain answers that must stand in their own contexts, for a file to be of this shape."""
FEW = 20
"""Distinct answers of those that choose among a few: yes and no, letters."""
CHOSEN = 6
"""Plain answers that are shorter on average and come again are classes (yes and no, letters), and no places."""


class QuestionShape(Shape):
    """Gives ``question``, ``context`` and ``answers``: ``[{"text", "start"}]``, empty where there is no answer.

    An answer without a place is taken where it stands first. One whose place is wrong is mended where its text
    stands exactly once in the context; else the row is broken.
    """

    task: ClassVar[str] = "extractive-qa"
    summary: ClassVar[str] = "a question, a text, and the answer's place in it (SQuAD 1 and 2), or none"
    roles: ClassVar[tuple[str, ...]] = tuple(NAMES)
    target: ClassVar[str] = "answers"
    keeps_text: ClassVar[bool] = True

    def __init__(self) -> None:
        self._moved = 0

    def guess(self, found: Mapping[str, Traits], samples: Samples, why: list[str]) -> dict[str, Any]:
        """By names, where the answers are lists of places, or texts that stand in their contexts."""
        columns: dict[str, Any] = {}
        for role, known in NAMES.items():
            able = [name for name in found if rank(name, known) is not None and name not in columns.values()]
            if able:
                columns[role] = min(able, key=lambda name: rank(name, known) or 0)
        if not {"question", "context", "answers"} <= columns.keys():
            return {}
        beside = samples.beside(columns["answers"], columns["context"])
        pairs = [(parsed(answer), text) for answer, text in beside if isinstance(text, str)]
        look = found[columns["answers"]]
        chosen = look.repeats and look.distinct <= FEW and look.length < CHOSEN and "answer_start" not in columns
        if not (_nested([answer for answer, _ in pairs]) or not chosen and _stand_in(pairs)):
            return {}
        why += [f'{role}: "{column}", by its name' for role, column in columns.items()]
        return columns

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        question, context = (_filled(cells.get(role), role) for role in ("question", "context"))
        row: dict[str, Any] = {"question": question, "context": context}
        if target:
            row["answers"] = self._answers(cells, context)
        yield row

    def repaired(self) -> dict[str, int]:
        """Answers that were moved."""
        return {"answers moved to the one place where their text stands in the context": self._moved}

    def _answers(self, cells: Cells, context: str) -> list[dict[str, Any]]:
        flag = str(cells.get("is_impossible") or "").strip().lower()
        if flag in ("true", "1", "1.0", "yes"):
            return []
        if "answers" not in cells:
            raise RowProblem(f"no answers are given: {quoted(context)}")
        given = list(_spelled(cells["answers"], cells.get("answer_start")))
        if not given and flag:
            raise RowProblem(f"there is no answer, though the question is not marked as impossible: {quoted(context)}")
        return [self._placed(context, text, start) for text, start in given]

    def _placed(self, context: str, text: str, start: int | None) -> dict[str, Any]:
        bare = text.strip()
        if not bare:
            raise RowProblem(f"an answer is empty: {quoted(context)}")
        if start is not None and start >= 0:
            start += len(text) - len(text.lstrip())
            if context.startswith(bare, start):
                return {"text": bare, "start": start}
        first = context.find(bare)
        if first < 0:
            raise RowProblem(f"answer not in its context: {quoted(bare)} in {quoted(context)}")
        if start is not None and start >= 0:
            if context.find(bare, first + 1) >= 0:
                raise RowProblem(
                    f"answer not at its place, and in several others: {quoted(bare)} at {start} of {quoted(context)}"
                )
            self._moved += 1
        return {"text": bare, "start": first}


def _filled(value: Any, role: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RowProblem(f"the {role} is empty")
    return value


def _spelled(value: Any, start: Any = None) -> Iterator[tuple[str, int | None]]:
    """Texts and places out of any spelling: texts, ``{"text", "answer_start"}``, lists of these, or of lists."""
    value = parsed(value)
    if value is None or value == "":
        return
    if isinstance(value, Mapping):
        text = value.get("text")
        place = next((value[key] for key in STARTS if value.get(key) is not None), start)
        if isinstance(text, list):
            places = place if isinstance(place, list) else [None] * len(text)
            for one, at in zip(text, places, strict=False):
                yield str(one), whole_number(at)
        elif text is not None:
            yield str(text), whole_number(place)
    elif isinstance(value, list):
        places = parsed(start) if isinstance(parsed(start), list) else [None] * len(value)
        for one, at in zip(value, places, strict=False):
            yield from _spelled(one, at)
    else:
        yield str(value), whole_number(start)


def _nested(answers: list[Any]) -> bool:
    def has_text(value: Any) -> bool:
        return isinstance(value, Mapping) and "text" in value

    lists = [value for value in answers if isinstance(value, list)]
    return any(has_text(value) for value in answers) or any(has_text(item) for value in lists for item in value)


def _stand_in(pairs: list[tuple[Any, str]]) -> bool:
    """Whether most plain answers are found in the texts beside them."""
    found = [text.strip() in context for answer, context in pairs for text, _ in _spelled(answer)]
    return bool(found) and sum(found) >= FOUND * len(found)

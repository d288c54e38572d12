"""A question, choices, the text that it is asked of where there is one, and the right choice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tunesmith.data.shapes.choices import answer_of, choices_of, option_columns
from tunesmith.data.shapes.parsed import parsed, whole_number
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.traits import Traits
from tunesmith.data.words import rank

QUESTION = (
    "question", "query", "stem", "question_text", "goal", "ctx", "startphrase", "prompt", "sentence", "问题", "题目",
    "题干", "提问",
)  # fmt: skip
CONTEXT = (
    "context", "passage", "article", "paragraph", "document", "premise", "text", "上下文", "文章", "段落", "原文",
    "材料", "对话", "前提",
)  # fmt: skip
CHOICES = ("choices", "options", "endings", "candidates", "choice", "alternatives", "选项", "候选项")
ANSWER = (
    "answer", "label", "answerkey", "answer_key", "correct", "correct_answer", "target", "gold", "answer_idx",
    "answer_index", "correct_option", "答案", "正确答案",
)  # fmt: skip
COPA = {
    "cause": ("What was the cause of this?", "这件事的原因是什么？"),
    "effect": ("What happened as a result?", "结果发生了什么？"),
}
"""COPA's column ``question`` says which of the two is asked (Roemmele et al. 2011)."""
_CHINESE = re.compile("[\u3400-\u9fff]")


class ChoiceShape(Shape):
    """Gives ``question``, ``choices`` (list of str), ``context`` (may be empty) and ``answer`` (index from 0)."""

    task: ClassVar[str] = "multiple-choice"
    summary: ClassVar[str] = "a question, two choices or more, and the right one; with or without a text to read"
    roles: ClassVar[tuple[str, ...]] = ("question", "context", "choices", "answer", "answer_from_1")
    target: ClassVar[str] = "answer"

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """A column of lists (or one column a choice), a question, and an answer, by their names."""
        said: list[str] = []
        columns = _choices(found, samples, said)
        if columns is None:
            return {}
        taken = {name for value in columns.values() for name in ([value] if isinstance(value, str) else value)}
        for role, known in (("question", QUESTION), ("context", CONTEXT), ("answer", ANSWER)):
            able = [name for name in found if name not in taken and rank(name, known) is not None]
            if able and role not in columns:
                columns[role] = min(able, key=lambda name: rank(name, known) or 0)
                taken.add(columns[role])
                said.append(f'{role}: "{columns[role]}", by its name')
        if "question" not in columns and "context" in columns:
            columns["question"] = columns.pop("context")
        if not {"question", "answer"} <= columns.keys():
            return {}
        why += said
        if _from_1(columns, samples):
            columns["answer_from_1"] = columns.pop("answer")
            why.append(f'answer: "{columns["answer_from_1"]}" counts the choices from 1')
        return columns

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        stem, choices = parsed(cells.get("question")), cells.get("choices")
        if isinstance(stem, Mapping):  # CommonsenseQA's own form
            choices = stem.get("choices") if choices in (None, "") else choices
            stem = stem.get("stem")
        context = str(cells.get("context") or "").strip()
        question = _question(str(stem or "").strip(), context)
        texts, labels = choices_of(choices)
        row: dict[str, Any] = {"question": question, "context": context, "choices": texts}
        if target:
            first = 1 if "answer_from_1" in cells else 0
            row["answer"] = answer_of(cells.get("answer_from_1" if first else "answer"), texts, labels, first)
        yield row


def _question(stem: str, context: str) -> str:
    if not stem:
        raise RowProblem("the question is empty")
    if context and stem.lower() in COPA:
        return COPA[stem.lower()][1 if _CHINESE.search(context) else 0]
    return stem


def _choices(found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any] | None:
    """The role ``choices`` -> its column or columns; the role ``question`` alone where they are inside of it."""
    for name in found:
        values = [parsed(value) for value in samples.get(name, [])]
        if rank(name, QUESTION) is not None and values and all(_holds_choices(value) for value in values):
            why.append(f'question: "{name}", which holds the choices')
            return {"question": name}
        if rank(name, CHOICES) is not None and values and all(isinstance(value, list | Mapping) for value in values):
            why.append(f'choices: "{name}", its cells are lists')
            return {"choices": name}
    options = option_columns(found)
    if not options:
        return None
    why.append(f"choices: {', '.join(options)}, a column each")
    return {"choices": options}


def _holds_choices(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value.get("choices")) and bool(value.get("stem"))


def _from_1(columns: Mapping[str, Any], samples: Mapping[str, list[Any]]) -> bool:
    """Whether answers are numbers of which none is 0 and one is the number of choices."""
    numbers = [whole_number(value) for value in samples.get(columns["answer"], [])]
    known = [number for number in numbers if number is not None]
    if not known or len(known) < len(numbers) or "choices" not in columns:
        return False
    choices = columns["choices"]
    most = len(choices) if isinstance(choices, list) else max(_count(value) for value in samples[choices])
    return min(known) >= 1 and max(known) == most


def _count(value: Any) -> int:
    try:
        return len(choices_of(value)[0])
    except RowProblem:
        return 0

"""The choices of a question, however a file spells them: lists, lettered lists, mappings, several columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tunesmith.data.shapes.parsed import parsed, quoted, whole_number
from tunesmith.data.shapes.shape import RowProblem

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NUMBERED = re.compile(
    r"^(choice|option|opt|ending|sol|solution|ans|answer|candidate|alternative|选项)?[ _\-]?([A-Za-z]|\d)$", re.I
)


def option_columns(names: Iterable[str]) -> list[str]:
    """Columns that hold a choice each, in order: ``choice1 choice2``, ``option_a option_b``, ``A B C D`` ...

    >>> option_columns(["question", "sol2", "sol1", "label"])
    ['sol1', 'sol2']
    """
    groups: dict[str, dict[int, str]] = {}
    for name in names:
        match = _NUMBERED.match(name.strip())
        if match and (match[1] or match[2].isalpha()):
            mark = match[2].upper()
            place = int(mark) if mark.isdigit() else LETTERS.index(mark)
            kind = "number" if mark.isdigit() else "letter"
            groups.setdefault(f"{(match[1] or '').lower()} {kind}", {})[place] = name
    for group in groups.values():
        first = min(group)
        if first <= 1 and len(group) >= 2 and sorted(group) == list(range(first, first + len(group))):
            return [group[place] for place in sorted(group)]
    return []


def choices_of(value: Any) -> tuple[list[str], list[str]]:
    """The choices, and the labels that the file gives them (empty where it gives none).

    Read are lists of texts, of ``{"label", "text"}``, ``{"label": [...], "text": [...]}``, ``{"A": ..., "B": ...}``,
    and each as JSON text. What is missing at the end of a list is left out: rows may have fewer choices than columns.

    Raises:
        RowProblem: there are fewer than two, one is empty, or all are the same.
    """
    value = parsed(value)
    labels: list[str] = []
    if isinstance(value, Mapping):
        if isinstance(value.get("text"), list):
            labels = [str(label) for label in value.get("label") or []]
            value = value["text"]
        else:
            labels, value = [str(key) for key in value], list(value.values())
    if not isinstance(value, list):
        raise RowProblem(f"the choices are no list: {quoted(str(value))}" if value else "there are no choices")
    if any(isinstance(item, Mapping) for item in value):
        labels = [str(item["label"]) for item in value if isinstance(item, Mapping) and "label" in item]
        value = [item.get("text") if isinstance(item, Mapping) else item for item in value]
    texts = ["" if item is None else str(item).strip() for item in value]
    while texts and not texts[-1] and value[len(texts) - 1] in (None, ""):
        texts.pop()
    _refuse(texts)
    return texts, labels if len(labels) == len(texts) else []


def _refuse(texts: list[str]) -> None:
    if "" in texts:
        raise RowProblem(f"choice {texts.index('') + 1} is empty: {quoted(' | '.join(texts))}")
    if len(texts) < 2:
        raise RowProblem(f"only one choice: {quoted(texts[0])}" if texts else "there are no choices")
    if len(set(texts)) == 1:
        raise RowProblem(f"all choices are the same: {quoted(texts[0])}")


def answer_of(value: Any, choices: list[str], labels: list[str], first: int) -> int:
    """The index of the right choice, from 0. Of choices with the same text it is the first.

    A whole number is an index; a text is a label of the file, a choice's text, or a letter.

    >>> answer_of("B", ["sun", "rain"], [], 0), answer_of("rain ", ["sun", "rain"], [], 0)
    (1, 1)
    >>> answer_of(2, ["sun", "rain"], [], first=1)
    1

    Args:
        first: the number of the first choice, 0 or 1.

    Raises:
        RowProblem: there is none, it is outside, or it is none of the choices.
    """
    text = "" if value is None else str(value).strip()
    if not text:
        raise RowProblem(f"there is no answer: {quoted(' | '.join(choices))}")
    number = whole_number(value)
    if text in labels:
        index = labels.index(text)
    elif number is not None:
        index = number - first
    else:
        index = _named(text, choices)
    if not 0 <= index < len(choices):
        raise RowProblem(f"answer outside of the choices: {quoted(text)} of {len(choices)}")
    return choices.index(choices[index])


def _named(text: str, choices: list[str]) -> int:
    lower = [choice.casefold() for choice in choices]
    if text in choices:
        return choices.index(text)
    if text.casefold() in lower:
        return lower.index(text.casefold())
    letter = text.strip("().").upper()
    if len(letter) == 1 and letter in LETTERS:
        return LETTERS.index(letter)
    raise RowProblem(f"answer is none of its choices: {quoted(text)} of {quoted(' | '.join(choices))}")

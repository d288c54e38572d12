"""A control in words: what a model is asked for. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter

from tunesmith.core.errors import RecipeError
from tunesmith.data.shapes.controlled_generation import LENGTHS
from tunesmith.data.word_runs import words

DEFAULT = {"en": "Write a text: {control}.", "zh": "请写一段文字：{control}。"}
WITH_LENGTH = {"en": "Write a text: {control}. Length: {length}.", "zh": "请写一段文字：{control}。长度：{length}。"}
BETWEEN = {"en": ", ", "zh": "，"}
NAMED_LENGTHS = {"en": ("short", "medium", "long"), "zh": ("短", "中", "长")}


def template_of(prompt: str | None, language: str, length: bool) -> str:
    """The recipe's template, or the one of the texts' language."""
    return prompt or (WITH_LENGTH if length else DEFAULT)["zh" if language == "zh" else "en"]


def checked(prompt: str, length: bool) -> None:
    """Refuse a template that says nothing of the control, or names what there is not.

    Raises:
        RecipeError: why.
    """
    try:
        names = {name for _, name, _, _ in Formatter().parse(prompt) if name is not None}
    except ValueError as error:
        raise RecipeError(f'task.prompt is "{prompt}": {error}.', "Double braces that are meant as such.") from error
    unknown = sorted(name for name in names if name not in ("control", "length") and not name.isdigit())
    if unknown or not names - {"length"} or (length and "length" not in names):
        wanted = "{control} (all columns), {0} (the first column), {1} ..." + (" and {length}" if length else "")
        why = f"knows no {{{unknown[0]}}}" if unknown else "leaves out what is controlled"
        raise RecipeError(f'task.prompt is "{prompt}", which {why}.', f"It reads {wanted}.")


def last_place(prompt: str) -> int:
    """The last column of controls that a template reads by its number; -1 where it reads none.

    >>> last_place("A {0} review of a {1}."), last_place("{control}")
    (1, -1)
    """
    names = [name for _, name, _, _ in Formatter().parse(prompt) if name is not None]
    return max((int(name) for name in names if name.isdigit()), default=-1)


def asked(template: str, control: Sequence[str], length: str, language: str) -> str:
    """The template, filled in.

    >>> asked("A {0} review of a {1}.", ["good", "hotel"], "", "en")
    'A good review of a hotel.'

    Raises:
        IndexError: there are fewer controls than the template reads.
    """
    kind = "zh" if language == "zh" else "en"
    size = NAMED_LENGTHS[kind][LENGTHS[length or "medium"]]
    return template.format(*control, control=BETWEEN[kind].join(control), length=size)


def thirds(texts: Sequence[str]) -> list[int]:
    """The sizes from which on a text is of the middle third, and of the longest.

    >>> thirds(["a", "a b", "a b c", "a b c d"])
    [2, 3]
    """
    sizes = sorted(size(text) for text in texts)
    return [sizes[len(sizes) * part // 3] for part in (1, 2)]


def length_of(text: str, bounds: Sequence[int]) -> int:
    """0, 1 or 2: of the shortest third, the middle, the longest."""
    return sum(size(text) >= bound for bound in bounds)


def size(text: str) -> int:
    """Words, or Chinese characters."""
    return len(words(text))

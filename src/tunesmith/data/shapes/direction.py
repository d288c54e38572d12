"""From which of two languages into which: as a task says, where names say which side is in which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tunesmith.data.shapes.text_to_text_names import language_code

Languages = tuple[str | None, str | None]
"""ISO 639-1 codes of text and target; None where nobody said."""
UNTOLD: Languages = (None, None)


def directed(pair: Sequence[str], there: Iterable[str], languages: Languages) -> tuple[str, ...]:
    """Names of both sides: those of the told languages, else those of ``pair``, in its order.

    Args:
        pair: names of text and target where nothing is told.
        there: all names.

    >>> there = ("en", "zh", "de")
    >>> directed(("en", "zh"), there, ("zh", None)), directed(("en", "zh"), there, (None, "de"))
    (('zh', 'en'), ('en', 'de'))
    """
    named = {code: name for name in reversed(list(there)) if (code := language_code(name))}
    text, target = (named.get(language) if language else None for language in languages)
    if text is None:
        text = next((name for name in pair if name != target), None)
    if target is None:
        target = next((name for name in pair if name != text), None)
    return tuple(pair) if text is None or target is None or text == target else (text, target)


def turned(
    columns: Mapping[str, Any], given: Iterable[str], there: Iterable[str], languages: Languages, why: list[str]
) -> dict[str, Any]:
    """Role -> column, where columns are called as languages and nobody gave a side: as the languages are told.

    Args:
        columns: as guessed.
        given: roles that the user gave columns to.
        there: the file's columns.
        why: takes a sentence where that changed something.
    """
    pair = [columns.get(role) for role in ("text", "target")]
    if {"text", "target"} & set(given) or not all(isinstance(name, str) and language_code(name) for name in pair):
        return dict(columns)
    text, target = directed([str(name) for name in pair], there, languages)
    if [text, target] != pair:
        why.append(f'text and target: "{text}" and "{target}", as task.source_language and task.target_language say')
    return {**columns, "text": text, "target": target}


def languages_of(task: Any) -> Languages:
    """Of a task that has learned; none of one that does not know any."""
    state = getattr(task, "state", None)
    known = state if isinstance(state, Mapping) else {}
    return known.get("source_language"), known.get("target_language")

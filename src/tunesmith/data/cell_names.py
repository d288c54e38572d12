"""The names that a cell of categories holds."""

from __future__ import annotations

from typing import Any


def cell_names(value: Any) -> list[str]:
    """The names that a cell of categories holds.

    >>> cell_names("Drama|War"), cell_names(["a", "b"]), cell_names("剧情、战争"), cell_names(None)
    (['Drama', 'War'], ['a', 'b'], ['剧情', '战争'], [])
    """
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [str(one).strip() for one in value if str(one).strip()]
    text = str(value)
    for mark in ("|", ";", "；", "、", "，"):
        text = text.replace(mark, "\x00")
    return list(dict.fromkeys(part.strip() for part in text.split("\x00") if part.strip()))

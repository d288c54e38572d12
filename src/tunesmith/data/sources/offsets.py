"""Places in a text: whoever counts UTF-16 units is told from who counts characters; ends of relations by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

Units = Literal["characters", "utf-16"]


def wide(text: str) -> bool:
    """Whether UTF-16, and so a browser, counts more units in the text than it has characters."""
    return any(ord(character) > 0xFFFF for character in text)


def utf16_length(text: str) -> int:
    """UTF-16 units of a text.

    >>> utf16_length("a😀好")
    4
    """
    return len(text) + sum(ord(character) > 0xFFFF for character in text)


def from_utf16(text: str, offset: int) -> int:
    """The character at a UTF-16 offset; what is outside of the text stays outside.

    >>> from_utf16("😀 ok", 3)
    2
    """
    units = 0
    for index, character in enumerate(text):
        if units >= offset:
            return index if offset >= 0 else offset
        units += 2 if ord(character) > 0xFFFF else 1
    return len(text) + offset - units


def settled(text: str, start: int, end: int, shown: str) -> tuple[int, int, bool]:
    """A span's characters, and whether it was counted in UTF-16 units, which its own words prove.

    Args:
        text: the whole text.
        start: first character or unit.
        end: the one after the last.
        shown: the words of the span as the file gives them.
    """
    if text[start:end] == shown or not wide(text):
        return start, end, False
    low, high = from_utf16(text, start), from_utf16(text, end)
    return (low, high, True) if text[low:high] == shown and high <= len(text) else (start, end, False)


def pairs_of_ids(relations: Iterable[tuple[Any, Any, Any]], ids: Sequence[Any]) -> list[dict[str, Any]]:
    """Relations between ids -> between indices of spans: ``{"head", "tail", "label"}``.

    Args:
        relations: (id of the head, id of the tail, label).
        ids: the spans' ids in their order.

    Raises:
        ValueError: an end is not among the ids.
    """
    places = {identity: index for index, identity in enumerate(ids) if identity is not None}
    found = []
    for head, tail, label in relations:
        for end in (head, tail):
            if end not in places:
                raise ValueError(f"the relation {label!r} has an end {end!r} that is no span here")
        found.append({"head": places[head], "tail": places[tail], "label": label})
    return found

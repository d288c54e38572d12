"""How wide a text is where letters have one width: a Chinese character takes two columns."""

from __future__ import annotations

from unicodedata import east_asian_width


def width_of(text: str) -> int:
    """Columns that a text takes."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def shorten(text: str, columns: int) -> str:
    """At most so many columns wide.

    >>> shorten("balance_not_updated", 10), shorten("房间很干净", 8)
    ('balance_n…', '房间很…')
    """
    if width_of(text) <= columns:
        return text
    kept = ""
    for character in text:
        if width_of(kept + character) >= columns:
            break
        kept += character
    return f"{kept}…"

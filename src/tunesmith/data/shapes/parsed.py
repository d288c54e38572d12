"""Cells that hold lists or mappings, as values or as JSON text."""

from __future__ import annotations

import json
from typing import Any

SHOWN = 60
"""Characters of a text that a message shows."""


def parsed(value: Any) -> Any:
    """A cell's value; JSON text of a list or a mapping becomes it, other text stays as it is.

    >>> parsed('["a", "b"]'), parsed("[sic]"), parsed(None)
    (['a', 'b'], '[sic]', None)
    """
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def quoted(text: str) -> str:
    """The beginning of a text in quotation marks, on one line, for messages."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= SHOWN else f'"{line[:SHOWN]}…"'


def whole_number(value: Any) -> int | None:
    """A cell as a whole number; None where it is none.

    >>> whole_number("2"), whole_number(2.0), whole_number("2.5"), whole_number(True), whole_number("B")
    (2, 2, None, None, None)
    """
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number == number // 1 else None

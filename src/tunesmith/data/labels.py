"""Labels made one: "pos " is "pos", 1.0 is "1"; and cells that hold several labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from tunesmith.data.cells import as_text
from tunesmith.data.traits import separator_of

_WHOLE = re.compile(r"^[+-]?\d+\.0*$")
_DECIMAL = re.compile(r"^[+-]?\d*\.\d+$")


def label_names(values: Iterable[Any], notes: list[str] | None = None) -> dict[Any, str | None]:
    """Each distinct value -> its label; empty ones -> None.

    Spaces at the ends go. "1.0" becomes "1" where every number with a point is whole, so that a column which went
    through a spreadsheet means the same as before; "1.5" beside "1.0" leaves both alone.
    """
    distinct = list(dict.fromkeys(values))
    texts = {v: (as_text(v) or "").strip() for v in distinct}
    decimal = [t for t in texts.values() if _DECIMAL.match(t) or _WHOLE.match(t)]
    whole = bool(decimal) and all(_WHOLE.match(t) for t in decimal)
    names = {v: (str(int(float(t))) if whole and _WHOLE.match(t) else t) or None for v, t in texts.items()}
    if notes is not None:
        notes += _notes(distinct, texts, names)
    return names


def _notes(distinct: list[Any], texts: dict[Any, str], names: dict[Any, str | None]) -> list[str]:
    found: list[str] = []
    spaced = [v for v in distinct if isinstance(v, str) and v.strip() and v != texts[v]]
    if spaced:
        found.append(f"Spaces at the ends of {len(spaced)} label(s) were removed, for example {spaced[0]!r}.")
    renamed = [v for v in distinct if names[v] is not None and names[v] != texts[v]]
    if renamed:
        found.append(f"Labels such as {texts[renamed[0]]} became {names[renamed[0]]}: whole numbers, one type.")
    folded: dict[str, str] = {}
    for name in filter(None, names.values()):
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            found.append(f'The labels "{other}" and "{name}" differ in case only: are they one?')
    return found


def divided(value: Any, separator: str | None) -> list[str]:
    """The labels of one cell: a list, JSON text of a list, or text divided by ``separator``."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        parts = [as_text(v) or "" for v in value]
    else:
        text = (as_text(value) or "").strip()
        listed = _json_list(text)
        parts = listed if listed is not None else text.split(separator) if separator else [text]
    return list(dict.fromkeys(p.strip() for p in parts if p.strip()))


def _json_list(text: str) -> list[str] | None:
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        return [as_text(v) or "" for v in json.loads(text)]
    except ValueError:
        return [p.strip(" '\"") for p in text[1:-1].split(",")]


def find_separator(values: list[Any]) -> str | None:
    """What divides the labels of a column's cells; None for lists and single labels."""
    return separator_of([v for v in values if isinstance(v, str) and not v.strip().startswith("[")])

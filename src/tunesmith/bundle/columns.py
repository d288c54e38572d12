"""Which of the columns that a bundle was trained on a file, or an object, has; and what is told of the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tunesmith.bundle.rows import input_columns
from tunesmith.data.shapes import KEYED

if TYPE_CHECKING:
    from tunesmith.core.contracts import Task

Columns = Mapping[str, str | list[str]]
"""Role -> column."""
TRANSCRIPT = "transcript"
"""The column of what is said in sounds."""


def there(columns: Columns, names: Collection[str]) -> dict[str, str | list[str]]:
    """The roles whose columns are there. Of roles whose columns stand each for itself, those columns that are.

    >>> there({"text": "name", "image": "photo", "numeric": ["price", "weight"]}, ["name", "price"])
    {'text': 'name', 'numeric': ['price']}
    """
    found: dict[str, str | list[str]] = {}
    for role, column in columns.items():
        wanted = _several(column)
        have = [name for name in wanted if name in names]
        if role in KEYED and isinstance(column, list):
            found |= {role: have} if have else {}
        elif len(have) == len(wanted):
            found[role] = column
    return found


def unread(task: Task, known: Iterable[Columns], found: Columns) -> list[str]:
    """A sentence for each input whose column was known and is not read, the user's own columns first.

    Args:
        known: role -> column, as a user and the bundle say; the first that has a role counts.
        found: role -> column, as they are read.
    """
    wanted = {role: column for one in reversed(list(known)) for role, column in one.items()}
    told = []
    for role in (column.role for column in input_columns(task)):
        if role not in wanted or found.get(role) == role:
            continue
        missing = [name for name in _several(wanted[role]) if name not in _several(found.get(role, []))]
        if missing and (role not in found or role in KEYED):
            names = ", ".join(f'"{name}"' for name in missing)
            told.append(f"{role}: there is no column {names}, so the answers are given without it.")
    return told


def unheard(transcribe: Mapping[str, Any] | None, given: Columns, names: Collection[str]) -> str | None:
    """The column of sounds that a bundle's texts were heard from, where a file has it and no texts of them.

    Args:
        transcribe: of the bundle's recipe.
        given: what a user says of the columns.

    >>> unheard({"column": "clip"}, {}, ["clip", "label"])
    'clip'
    """
    if transcribe is None or "text" in given or TRANSCRIPT in names or transcribe["column"] not in names:
        return None
    return str(transcribe["column"])


def cells(given: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Role -> value of an object's keys, as a file's columns are read.

    >>> cells({"name": "a", "price": 3}, {"text": "name", "numeric": ["price", "weight"], "image": "photo"})
    {'text': 'a', 'numeric': {'price': 3}}
    """
    found: dict[str, Any] = {}
    for role, column in there(columns, given).items():
        if role in KEYED and column != role:
            found[role] = {name: given[name] for name in _several(column)}
        else:
            found[role] = given[column] if isinstance(column, str) else [given[name] for name in column]
    return found


def _several(column: str | list[str]) -> list[str]:
    return [column] if isinstance(column, str) else column

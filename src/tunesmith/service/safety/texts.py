"""The strings inside a JSON value, read and replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

FILES = ("image", "audio")
"""Keys whose strings are bytes in base64, as their schema made sure: no words, and not to be changed."""


def strings(value: Any) -> Iterator[str]:
    """Every string in a value, in order; names of keys are not what anyone wrote: these are left out, as files are."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in FILES:
                yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)


def replaced(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every string changed; called once for each that ``strings`` gives, in its order.

    >>> replaced({"a": ["x", 1, {"b": "y"}]}, str.upper)
    {'a': ['X', 1, {'b': 'Y'}]}
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: inner if key in FILES else replaced(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replaced(inner, change) for inner in value)
    return value

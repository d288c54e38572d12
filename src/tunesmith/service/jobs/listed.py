"""A list a page at a time, as OpenAI's client turns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def listed(things: Sequence[Mapping[str, Any]], limit: int, after: str = "") -> dict[str, Any]:
    """``limit`` of the things behind the one whose id is ``after``.

    >>> listed([{"id": "a"}, {"id": "b"}, {"id": "c"}], 1, "a")["data"]
    [{'id': 'b'}]
    """
    start = next((i + 1 for i, one in enumerate(things) if one["id"] == after), 0) if after else 0
    page = list(things[start : start + limit])
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": start + limit < len(things),
    }

"""Rows as documents: each text once, with all of its spans and relations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from tunesmith.data.formats.format import Row


def documents(rows: Iterable[Row]) -> Iterator[Row]:
    """The same rows, those that stand for a pair of entities of one text in a row become one with both kinds of lists.

    >>> place = {"start": 0, "end": 1}
    >>> other = {"start": 2, "end": 3}
    >>> list(documents([{"text": "A B", "head": place, "tail": other, "label": "near"}]))[0]["relations"]
    [{'head': 0, 'tail': 1, 'label': 'near'}]
    """
    for text, group in groupby(rows, key=lambda row: row["text"] if "head" in row and "tail" in row else None):
        if text is None:
            yield from group
        else:
            yield _merged(list(group))


def _merged(rows: list[Row]) -> dict[str, Any]:
    spans: dict[tuple[int, int], dict[str, Any]] = {}
    relations = []
    for row in rows:
        ends = {}
        for role in ("head", "tail"):
            place = (row[role]["start"], row[role]["end"])
            spans.setdefault(place, {"start": place[0], "end": place[1], "label": row[role].get("label") or "entity"})
            ends[role] = list(spans).index(place)
        if row.get("label") is not None:
            relations.append({**ends, "label": row["label"]})
    kept = {key: value for key, value in rows[0].items() if key not in ("head", "tail", "label")}
    return {**kept, "spans": list(spans.values()), "relations": relations}

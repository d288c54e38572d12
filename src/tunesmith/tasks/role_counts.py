"""Roles as tags of words, as counts, and as a line for a person."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Evidence, Prediction
from tunesmith.data.tags import WordSpan, read_tags, write_tags

Roles = Sequence[Mapping[str, Any]]
"""Spans of characters: ``start``, ``end``, ``label``."""
SHOWN = 20
"""Characters of a role that a line shows."""


def word_tags(roles: Roles, words: Sequence[Sequence[int]]) -> list[str]:
    """A BIO tag for each word; roles begin and end with words and do not overlap.

    >>> word_tags([{"start": 0, "end": 7, "label": "A0"}], [[0, 3], [4, 7], [8, 12]])
    ['B-A0', 'I-A0', 'O']
    """
    starts, ends = [word[0] for word in words], [word[1] for word in words]
    spans = [
        WordSpan(bisect_left(starts, role["start"]), bisect_left(ends, role["end"]) + 1, role["label"])
        for role in roles
    ]
    return write_tags(spans, len(words))


def answer(
    text: str,
    words: Sequence[Sequence[int]],
    predicate: tuple[int, int],
    tags: Sequence[str],
    sure: NDArray[np.floating[Any]],
) -> Prediction:
    """The roles that tags mean, as a prediction.

    Args:
        words: [start, end] of each word.
        predicate: its start and end.
        tags: of the words.
        sure: each tag's probability; a role is as sure as its least sure word.
    """
    roles = []
    for span in read_tags(tags).spans:
        start, end = words[span.start][0], words[span.end - 1][1]
        score = float(sure[span.start : span.end].min())
        roles.append({"start": start, "end": end, "text": text[start:end], "label": span.label, "score": score})
    start, end = predicate
    place = {"start": start, "end": end, "text": text[start:end]}
    return {"predicate": place, "roles": roles, "score": float(sure.prod())}


def counted(true: Sequence[Roles], given: Sequence[Roles], labels: Sequence[str]) -> Evidence:
    """``hit`` bool[n], and ``class_counts`` float32 [n, 3 k]: of each role hits, support, predictions.

    Args:
        labels: the roles; what is none of them is counted as the last one.
    """
    k, index = len(labels), {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(true), 3, k), dtype=np.float32)
    hit = np.zeros(len(true), dtype=bool)
    for row, sides in enumerate(zip(true, given, strict=True)):
        wanted, found = ({(role["start"], role["end"], role["label"]) for role in side} for side in sides)
        hit[row] = wanted == found
        for which, roles in enumerate((wanted & found, wanted, found)):
            for *_, label in roles:
                counts[row, which, index.get(label, k - 1)] += 1
    return {"hit": hit, "class_counts": counts.reshape(len(true), 3 * k)}


def told(text: str, roles: Roles) -> str:
    """The roles on a line.

    >>> told("We buy it", [{"start": 0, "end": 2, "label": "A0"}, {"start": 7, "end": 9, "label": "A1"}])
    'A0: We · A1: it'
    """
    parts = []
    for role in sorted(roles, key=lambda role: int(role["start"])):
        name = text[role["start"] : role["end"]]
        parts.append(f"{role['label']}: {name if len(name) <= SHOWN else name[:SHOWN] + '…'}")
    return " · ".join(parts) or "no role"

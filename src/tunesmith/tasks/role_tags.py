"""Roles as tags of words, and tags of words as roles."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.contracts import Prediction
from tunesmith.data.tags import WordSpan, read_tags, write_tags

Roles = Sequence[Mapping[str, Any]]
"""Spans of characters: ``start``, ``end``, ``label``."""


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

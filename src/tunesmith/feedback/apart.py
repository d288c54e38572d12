"""Rows to learn from that are not those which the gate asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tunesmith.data.asking import asked
from tunesmith.data.duplicates import near_groups


def apart(
    rows: Sequence[dict[str, Any]], held: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows whose input is not that of a held row, nor nearly (``near_groups``); in order.

    Args:
        rows: to learn from.
        held: rows that the gate asks.
        names: keys of what is asked. What would be right may differ: who learned the one knows the other.

    >>> apart([{"text": "Late, AGAIN!"}, {"text": "fine"}], [{"text": "late again", "label": "b"}], ["text"])
    [{'text': 'fine'}]
    """
    if not rows or not held:
        return list(rows)
    texts = [asked(row, names) for row in (*rows, *held)]
    groups = near_groups(pa.chunked_array([pa.array(texts, pa.large_string())]))
    taken = set(groups[len(rows) :].tolist())
    return [row for row, group in zip(rows, groups.tolist(), strict=False) if group not in taken]

"""Written texts side by side: what was asked, what the row itself says, what the model wrote before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Evidence, Row
from tunesmith.evaluation.examples import CLIP

SHOWN = 20
"""Rows that a report shows, evenly spread."""


def written_samples(evidences: Mapping[str, Evidence], rows: Sequence[Row], limit: int = SHOWN) -> list[dict[str, Any]]:
    """Rows with the texts written for them; none where the evidence has no ``written`` and ``expected``.

    Returns:
        ``row`` (from 0), ``asked``, ``expected`` and ``written``, a text by side ("before", "after" ...).
    """
    sides = {key: evidence["written"] for key, evidence in evidences.items() if "written" in evidence}
    expected = evidences.get("after", {}).get("expected")
    if expected is None or "after" not in sides or not len(rows):
        return []
    picked = np.unique(np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int))
    return [
        {
            "row": int(i),
            "asked": _clip(asked(rows[i])),
            "expected": _clip(expected[i]),
            "written": {key: _clip(texts[i]) for key, texts in sides.items()},
        }
        for i in picked
    ]


def asked(row: Row) -> str:
    """What a row asks, in words.

    >>> asked({"messages": [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello."}]})
    'user: Hi!'
    """
    messages = row.get("messages")
    if isinstance(messages, list) and messages:
        before = messages[:-1] if messages[-1]["role"] == "assistant" else messages
        return "\n".join(f"{message['role']}: {message['content']}" for message in before)
    return next((str(row[role]) for role in ("text", "source", "prompt") if row.get(role)), "")


def _clip(text: Any) -> str:
    whole = str(text)
    return whole if len(whole) <= CLIP else f"{whole[:CLIP]} …"

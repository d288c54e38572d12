"""Keys of a store, and what was metered for them, by the verbs that an operator uses."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness


def made_keys(url: str, count: int) -> list[dict[str, str]]:
    """New keys: ``id`` and ``key`` (its text)."""
    found = [harness.verb("keys", "make", f"client-{number}", "--store", url) for number in range(count)]
    return [{"id": one["id"], "key": one["key"]} for one in found]


def metered(url: str) -> dict[str, int]:
    """Key's id -> requests that were answered well, as ``tunesmith usage`` tells."""
    found: Counter[str] = Counter()
    for row in harness.verb("usage", "--store", url)["usage"]:
        found[row["key"]] += row["requests"] - row["failed"]
    return dict(found)

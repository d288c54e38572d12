"""How much time giving trials up has saved."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.search.study import Record


def whole(seconds: float, step: int, total: int) -> float:
    """Seconds that a run would have taken for all its steps, judged by those that it did."""
    return seconds * total / step if step else seconds


def saved_seconds(records: Sequence[Record]) -> float:
    """Seconds that the pruned trials would have gone on for, at their own pace."""
    return sum(max(0.0, (r.whole_seconds or 0.0) - (r.seconds or 0.0)) for r in records if r.state == "pruned")

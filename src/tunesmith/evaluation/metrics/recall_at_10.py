"""Is the right answer among the first ten?"""

from __future__ import annotations

from typing import ClassVar

from tunesmith.evaluation.metrics.recall_at_1 import RecallAt1


class RecallAt10(RecallAt1):
    """Share of rows whose right answer is among the first ten. Reads ``rank``."""

    name = "recall_at_10"
    summary = "share of rows whose right answer is among the first ten"
    places: ClassVar[int] = 10

"""Overrides for tiny models, and CSV files of toy rows."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LEARNS = (
    "training.learning_rate=4e-3", "training.head_learning_rate=4e-3", "training.layer_decay=1.0",
    "training.epochs=14", "training.threads=1", "training.trackers=[jsonl]", "evaluation.resamples=100",
)  # fmt: skip
"""Rates for models whose weights are random."""
QUICK = (*LEARNS[:3], "training.epochs=2", *LEARNS[4:])


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path

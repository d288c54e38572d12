"""Texts that a model wrote, side by side: what was asked, what was wanted, before tuning and after. JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Evidence, Row
from tunesmith.data.contamination import text_of
from tunesmith.evaluation.evidence import Array, count_rows
from tunesmith.evaluation.metrics.chrf import Chrf

SHOWN = 10
CLIP = 1200
"""Characters of a text that a report keeps."""


def written_samples(evidences: Mapping[str, Evidence], rows: Sequence[Row]) -> dict[str, Any]:
    """Rows taken evenly over the test rows, so that nobody chose them; and those farthest from their references.

    Args:
        evidences: "after", and any of "before" and baselines' names.

    Returns:
        ``{"spread", "farthest"}``, lists of ``{"row", "text", "expected", "nearness", "written": {side: text}}``;
        ``nearness`` (0 to 1, or None) is ROUGE-L or chrF of the row after tuning.
    """
    after = evidences["after"]
    total, near = count_rows(after), nearness(after)
    spread = np.unique(np.linspace(0, total - 1, min(SHOWN, total)).astype(int)) if total else np.zeros(0, int)
    farthest: Sequence[int] | Array = np.argsort(near, kind="stable")[: min(SHOWN, total)] if near is not None else []

    def sample(i: int) -> dict[str, Any]:
        written = {name: _clip(side["written"][i]) for name, side in evidences.items() if "written" in side}
        return {
            "row": i,
            "text": _clip(text_of(rows[i])),
            "expected": _clip(after["expected"][i]),
            "nearness": None if near is None else float(near[i]),
            "written": written,
        }

    return {"spread": [sample(int(i)) for i in spread], "farthest": [sample(int(i)) for i in farthest]}


def nearness(evidence: Evidence) -> Array | None:
    """How near each written text is to its reference, 0 to 1: [rows]; None where nothing says it."""
    if "rougeL" in evidence:
        return evidence["rougeL"].astype(np.float64)
    if "chrf_stats" in evidence:
        each: Array = Chrf().figure(evidence["chrf_stats"].astype(np.float64)) / 100
        return each
    return None


def _clip(text: Any) -> str:
    whole = str(text)
    return whole if len(whole) <= CLIP else f"{whole[:CLIP]} …"

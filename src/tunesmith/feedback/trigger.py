"""When it is time to learn again: drift, enough new labels, or answers that are right less often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.feedback.collect import Agreement


@dataclass(frozen=True)
class Limits:
    """From where on it is time.

    Args:
        volume: new labelled rows.
        agreement: share of right answers that is wanted of the serving version.
        least: labelled rows below which no bundle should learn.
    """

    volume: int = 500
    agreement: float = 0.9
    least: int = 50


def reasons(labelled: int, new: int, agreed: Agreement, drifting: Sequence[str], limits: Limits) -> list[str]:
    """Why a bundle should learn again, in words; none where it need not, or where there is too little to learn from.

    Args:
        labelled: rows with a right answer.
        new: of these, said after the serving bundle was made.
        agreed: of the serving version.
        drifting: what has moved away from its own rows.
        limits: from where on.
    """
    found = []
    if new >= limits.volume:
        found.append(f"volume: {new:,} new labelled rows, {limits.volume:,} or more were waited for")
    low, high = wilson(agreed)
    if agreed.rows and high < limits.agreement:
        found.append(
            f"agreement: {agreed.right:,} of {agreed.rows:,} answers were right ({low:.3f} to {high:.3f}), "
            f"{limits.agreement:g} is wanted"
        )
    if drifting:
        found.append(f"drift: {', '.join(drifting)}")
    return found if labelled >= limits.least else []


def wilson(side: Agreement, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share (Wilson 1927), 95% unless said otherwise.

    >>> [round(end, 3) for end in wilson(Agreement(100, 90))]
    [0.826, 0.945]
    """
    n, p = side.rows, side.share
    if not n:
        return 0.0, 1.0
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - half, middle + half

"""Is the canary as good as what it is to replace? Told by what was said about the answers of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tunesmith.feedback.collect import Agreement
from tunesmith.feedback.trigger import wilson

LOOKED_AT = 20
"""Rows of the canary's before it is rolled back."""
AGAIN_AND_AGAIN = 3.0
"""Standard errors that it must be worse by. It is judged again with each row: at 1.96, which is right for one look, one
in three that are as good as the stable version would be rolled back."""

What = Literal["promote", "roll back", "wait"]


@dataclass(frozen=True)
class Decision:
    """What to do.

    Args:
        what: the canary takes all requests, none, or goes on with its share.
        difference: canary minus stable, of shares of right answers.
        low: the 95% interval's lower end.
        high: its upper end.
        words: a sentence.
    """

    what: What
    difference: float
    low: float
    high: float
    words: str


def decide(stable: Agreement, canary: Agreement, *, margin: float = 0.02, least: int = 50) -> Decision:
    """Roll back what is worse beyond doubt, promote what is hardly worse at most, else wait.

    It may be asked again after each row: it is rolled back from ``LOOKED_AT`` rows on, by an interval of
    ``AGAIN_AND_AGAIN`` standard errors.

    Args:
        stable: of the version that answers most.
        canary: of the other.
        margin: how much worse may be hardly worse.
        least: rows of the canary's that are wanted before it is promoted. One that is never right is not.
    """
    difference, low, high = newcombe(stable, canary)
    told = (
        f"The canary is right in {canary.right:,} of {canary.rows:,}, the stable version in {stable.right:,} of "
        f"{stable.rows:,}: {difference:+.3f} ({low:+.3f} to {high:+.3f})"
    )
    if not canary.rows and not stable.rows and canary.unjudged + stable.unjudged:
        told = (
            f"{canary.unjudged + stable.unjudged:,} answers were put right, but of a number, a written text or a "
            "vector there is no one right answer to count: compare both versions with tunesmith gate"
        )
        return Decision("wait", difference, low, high, f"{told}.")
    surely_worse = newcombe(stable, canary, AGAIN_AND_AGAIN)[2] < 0
    if canary.rows >= LOOKED_AT and stable.rows and surely_worse:
        return Decision("roll back", difference, low, high, f"{told}. It is worse.")
    if canary.rows >= least and canary.right and stable.rows and low > -margin:
        return Decision("promote", difference, low, high, f"{told}. It is not worse by more than {margin:g}.")
    return Decision("wait", difference, low, high, f"{told}. That does not tell yet.")


def newcombe(one: Agreement, other: Agreement, z: float = 1.96) -> tuple[float, float, float]:
    """Other minus one, and its interval, 95% unless said otherwise (Newcombe 1998, method 10).

    >>> [round(value, 3) for value in newcombe(Agreement(80, 48), Agreement(70, 56))]
    [0.2, 0.052, 0.334]
    """
    (low1, high1), (low2, high2) = wilson(one, z), wilson(other, z)
    p1, p2 = one.share, other.share
    difference = p2 - p1
    return (
        difference,
        difference - math.sqrt((p2 - low2) ** 2 + (high1 - p1) ** 2),
        difference + math.sqrt((high2 - p2) ** 2 + (p1 - low1) ** 2),
    )

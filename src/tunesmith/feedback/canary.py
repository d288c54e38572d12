"""Is the canary as good as what it is to replace? Told by what was said about the answers of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tunesmith.feedback.collect import Agreement
from tunesmith.feedback.trigger import wilson

What = Literal["promote", "roll back", "wait"]


@dataclass(frozen=True)
class Decision:
    """What to do.

    Args:
        what: the canary takes all requests, none, or goes on with its share.
        difference: canary minus stable, of shares of right answers.
        low: the interval's lower end.
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
    if canary.rows and stable.rows and high < 0:
        return Decision("roll back", difference, low, high, f"{told}. It is worse.")
    if canary.rows >= least and canary.right and stable.rows and low > -margin:
        return Decision("promote", difference, low, high, f"{told}. It is not worse by more than {margin:g}.")
    return Decision("wait", difference, low, high, f"{told}. That does not tell yet.")


def newcombe(one: Agreement, other: Agreement) -> tuple[float, float, float]:
    """Other minus one, and its 95% interval (Newcombe 1998, method 10).

    >>> [round(value, 3) for value in newcombe(Agreement(80, 48), Agreement(70, 56))]
    [0.2, 0.052, 0.334]
    """
    (low1, high1), (low2, high2) = wilson(one), wilson(other)
    p1, p2 = one.share, other.share
    difference = p2 - p1
    return (
        difference,
        difference - math.sqrt((p2 - low2) ** 2 + (high1 - p1) ** 2),
        difference + math.sqrt((high2 - p2) ** 2 + (p1 - low1) ** 2),
    )

"""What is told to those who are not answered for want of time. Nothing is charged."""

from __future__ import annotations

from tunesmith.service.problems import Refused

ROOM = 0.75
"""Of a deadline may be spent waiting and computing, as far as it can be told before."""


def unloading() -> Refused:
    """This version goes; its follower answers."""
    return Refused(503, "unloading", "This version is being taken away. Ask again.", retry_after=1)


def overloaded(within: float, expected: float) -> Refused:
    """It would not be answered in time.

    Args:
        within: seconds that it has.
        expected: seconds that it would wait.
    """
    return Refused(
        503,
        "overloaded",
        f"The service has more to do than it can in {within:g} s. Nothing was computed, nothing is charged.",
        retry_after=expected - within / 2,
    )


def too_late() -> Refused:
    """It has waited too long."""
    return Refused(503, "too_late", "It could not be answered in time. Nothing is charged.", retry_after=1)


def smoothed(known: float, new: float) -> float:
    """A running mean; 0 is not known yet."""
    return new if not known else 0.8 * known + 0.2 * new

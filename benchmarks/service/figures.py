"""The pure parts of a load: percentiles, when requests are due, what a load's times say."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

GOOD = "200"
REFUSED = ("429", "503")


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that so large a share of all values does not exceed (nearest rank); None of no values.

    >>> percentile([4, 1, 3, 2], 0.5), percentile([4, 1, 3, 2], 0.99), percentile([], 0.5)
    (2, 4, None)
    """
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def arrivals(rate: float, seconds: float, *, poisson: bool, seed: int) -> Iterator[float]:
    """Seconds from the start at which requests are due: ``rate`` a second, evenly, or as independent users come.

    >>> list(arrivals(4, 1, poisson=False, seed=0))
    [0.0, 0.25, 0.5, 0.75]
    """
    if not poisson:
        for number in range(math.ceil(rate * seconds)):
            yield number / rate
        return
    drawn = random.Random(seed)
    at = drawn.expovariate(rate)
    while at < seconds:
        yield at
        at += drawn.expovariate(rate)


def spread(milliseconds: Sequence[float]) -> dict[str, Any]:
    """How many, and p50, p95, p99 and the largest, in milliseconds."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    found = {name: percentile(milliseconds, share) for name, share in shares.items()}
    rounded = {name: None if value is None else round(value, 3) for name, value in found.items()}
    return {"count": len(milliseconds), **rounded}


def summary(times: Mapping[str, Sequence[float]], seconds: float) -> dict[str, Any]:
    """What a load says of a server.

    Args:
        times: milliseconds of each request, by status; what got no answer is under words ("broken", "timeout").
        seconds: of the window in which they were counted.
    """
    good = times.get(GOOD, ())
    refused = [one for status in REFUSED for one in times.get(status, ())]
    failed = {status: len(found) for status, found in times.items() if status not in (GOOD, *REFUSED) and found}
    return {
        "seconds": round(seconds, 3),
        "requests": sum(map(len, times.values())),
        "rate": round(len(good) / seconds, 2) if seconds else 0.0,
        "good": spread(good),
        "refused": spread(refused),
        "failed": failed,
        "statuses": {status: len(found) for status, found in sorted(times.items()) if found},
    }

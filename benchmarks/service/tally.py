"""What came of a load's requests: times by status within a window, and what is printed of them."""

from __future__ import annotations

import csv
from array import array
from collections import defaultdict
from pathlib import Path
from typing import Any

from figures import GOOD, spread, summary
from wire import Answer


class Tally:
    """Counts within a window, which is closed until it is said when it begins.

    Args:
        each: a CSV file for every request's start, milliseconds and status.
    """

    def __init__(self, each: Path | None = None) -> None:
        self.begins, self.ends = float("inf"), float("inf")
        self.times: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self.from_sending: dict[str, array[float]] = defaultdict(lambda: array("d"))
        """Of requests that were due at a time: without how late the load itself sent them."""
        self.lags = array("d")
        self.by_key: dict[int, int] = defaultdict(int)
        self.sample: Answer | None = None
        """An answer to be looked at: the last good one, or the first."""
        self._file = each
        self._each: list[tuple[float, float, str]] = []

    def note(self, status: str, answer: Answer | None, *, key: int, due: float | None, sent: float, now: float) -> None:
        """A request has its answer, or will get none.

        Args:
            due: when it should have been sent, and from when its time runs; None: when it was.
        """
        if answer is not None and (status == GOOD or self.sample is None):
            self.sample = answer
        if not self.begins <= (now if due is None else due) < self.ends:
            return
        began = sent if due is None else due
        self.times[status].append(1e3 * (now - began))
        if due is not None:
            self.from_sending[status].append(1e3 * (now - sent))
            self.lags.append(1e3 * (sent - due))
        if status == GOOD:
            self.by_key[key] += 1
        if self._file is not None:
            self._each.append((began - self.begins, 1e3 * (now - began), status))

    @property
    def count(self) -> int:
        """Requests within the window so far."""
        return sum(map(len, self.times.values()))

    def told(self, keys: int) -> dict[str, Any]:
        """What is printed.

        Args:
            keys: how many asked.
        """
        found = summary(self.times, self.ends - self.begins)
        if self._file is not None:
            with self._file.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("at", "ms", "status"), *self._each])
        if self.lags:
            sent = summary(self.from_sending, 1)
            found |= {"lag_ms": spread(self.lags), "from_sending": {key: sent[key] for key in ("good", "refused")}}
        if keys > 1:
            found["by_key"] = [self.by_key[number] for number in range(keys)]
        return {**found, "sample": self.sample and self.sample.body[:400].decode("utf-8", "replace")}

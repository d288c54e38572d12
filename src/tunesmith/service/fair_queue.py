"""Who is next: by turns between keys, so that one that asks much does not hold up one that asks little."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Deficit round robin (Shreedhar & Varghese 1995, section 3): each turn gives a key ``quantum`` tokens to spend.

    A key that has nothing waiting loses what it did not spend. Not safe between threads by itself.

    Args:
        quantum: tokens a key is given in its turn.

    >>> queue = FairQueue(quantum=10)
    >>> for name in ("a1", "a2", "a3"):
    ...     queue.put("a", name, cost=10)
    >>> queue.put("b", "b1", cost=10)
    >>> queue.take(tokens=30, most=8)
    ['a1', 'b1', 'a2']
    """

    def __init__(self, quantum: int = 256) -> None:
        self.quantum = quantum
        self.tokens = 0
        """Waiting, of all keys."""
        self._lines: OrderedDict[str, deque[tuple[T, int, int]]] = OrderedDict()
        self._credit: dict[str, int] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._lines.values()))

    def put(self, key: str, item: T, cost: int, size: int = 1) -> None:
        """At the end of its key's line: an item of so many tokens in so many rows."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = deque()
            self._credit[key] = 0
        line.append((item, cost, size))
        self.tokens += cost

    def take(self, tokens: int, most: int, skip: Container[str] = ()) -> list[T]:
        """What is next, in order: together at most ``tokens`` in ``most`` rows, but one at least if one waits.

        Args:
            tokens: together.
            most: rows.
            skip: keys whose turn it is not.
        """
        taken: list[T] = []
        left, skipped = tokens, 0
        while skipped < len(self._lines) and most > 0:
            key, line = next(iter(self._lines.items()))
            if key in skip:
                self._lines.move_to_end(key)
                skipped += 1
                continue
            skipped = 0
            self._credit[key] += self.quantum
            while line and line[0][1] <= self._credit[key] and most > 0:
                _, cost, size = line[0]
                if taken and (cost > left or size > most):
                    self._credit[key] -= self.quantum  # the turn is not over: it is given again
                    return taken
                taken.append(line.popleft()[0])
                left, most = left - cost, most - size
                self._credit[key] -= cost
                self.tokens -= cost
            if line:
                self._lines.move_to_end(key)
            else:
                del self._lines[key], self._credit[key]
        return taken

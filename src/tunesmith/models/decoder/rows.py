"""Which text is in which row, so that those that write are beside each other, and what was computed is found again."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.models.decoder.network import Network


class Rows:
    """Rows 0 to ``busy`` are in use; the others hold what was written before, until somebody needs the room.

    A chat's next question begins with all that was said before, and every question to a product with the same
    system message: what was computed of that is taken over.

    Args:
        memory: holds keys and values.
    """

    def __init__(self, memory: Network) -> None:
        self.memory = memory
        self.ids: list[list[int]] = [[] for _ in range(memory.rows)]
        """Of each row, the tokens whose keys and values are in the memory."""
        self.busy = 0
        self._used = [0] * memory.rows
        self._time = 0

    def take(self, prompt: Sequence[int]) -> tuple[int, int]:
        """A row for a text, and how many tokens of its prompt are in it already; at least the last one is not."""
        row = self.busy
        known, best = self._nearest(prompt)
        if known and best >= row:
            self._swap(row, best)
        else:
            oldest = min(range(row, self.memory.rows), key=lambda free: self._used[free])
            if oldest != row:
                self._copy(row, oldest, len(self.ids[row]))
            if known:
                self._copy(best, row, known)
        self.ids[row] = self.ids[row][:known]
        self.busy += 1
        return row, known

    def leave(self, row: int, last: int) -> None:
        """A text ends. What it wrote stays, behind the rows in use.

        Args:
            row: its own.
            last: the row of the last text that writes, which takes its place; what is behind that one moves up.
        """
        self._time += 1
        self._used[row] = self._time
        self.busy -= 1
        self._swap(row, last)
        self._swap(last, self.busy)

    def _nearest(self, prompt: Sequence[int]) -> tuple[int, int]:
        """The longest beginning that a row shares with a prompt, and the row; a free one where there are several."""
        shared = [(common(ids, prompt, len(prompt) - 1), row) for row, ids in enumerate(self.ids)]
        return max(shared)

    def _copy(self, source: int, target: int, length: int) -> None:
        self.memory.copy(source, target, length)
        self.ids[target], self._used[target] = self.ids[source][:length], self._used[source]

    def _swap(self, one: int, other: int) -> None:
        if one != other:
            self.memory.swap(one, other, max(len(self.ids[one]), len(self.ids[other])))
            self.ids[one], self.ids[other] = self.ids[other], self.ids[one]
            self._used[one], self._used[other] = self._used[other], self._used[one]


def common(one: Sequence[int], other: Sequence[int], most: int) -> int:
    """How many tokens two texts have in common at their beginning, up to ``most``.

    >>> common([1, 2, 3], [1, 2, 4, 5], 9), common([1, 2], [1, 2], 1)
    (2, 1)
    """
    most = min(most, len(one), len(other))
    return next((place for place in range(most) if one[place] != other[place]), most)

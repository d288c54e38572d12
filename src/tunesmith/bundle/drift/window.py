"""The last rows, looked at again and again: have they moved away from the baseline?"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tunesmith.bundle.drift.baseline import Baseline
from tunesmith.bundle.drift.compare import Difference
from tunesmith.bundle.drift.facts import Facts


@dataclass(frozen=True)
class Look:
    """What a look found.

    Args:
        rows: seen so far.
        sizes: by name, from 0 to 1.
        moved: names that differ by more than chance and by enough to matter.
    """

    rows: int
    sizes: Mapping[str, float]
    moved: tuple[str, ...]


class Window:
    """The last rows of a version.

    Args:
        baseline: what they are compared with.
        rows: that are looked at together.
        step: rows between two looks.
        level: probability of a false alarm at one look; shared by all that is compared (Bonferroni).
        effect: the least difference that matters.
    """

    def __init__(
        self, baseline: Baseline, *, rows: int = 500, step: int = 100, level: float = 1e-4, effect: float = 0.1
    ) -> None:
        self.baseline = baseline
        self.rows, self.step, self.level, self.effect = rows, step, level, effect
        self.seen = 0
        self._last: deque[Facts] = deque(maxlen=rows)

    def add(self, some: Iterable[Facts]) -> list[Look]:
        """Take rows; a look for each step that they complete, once the window is full."""
        looks = []
        for one in some:
            self._last.append(one)
            self.seen += 1
            if self.seen >= self.rows and (self.seen - self.rows) % self.step == 0:
                found = self.baseline.compare(list(self._last))
                looks.append(Look(self.seen, {name: d.size for name, d in found.items()}, self._moved(found)))
        return looks

    def _moved(self, found: Mapping[str, Difference]) -> tuple[str, ...]:
        each = self.level / len(found)
        return tuple(name for name, d in found.items() if d.p < each and d.size >= self.effect)

"""Looks at what is answered, beside the requests: a queue, a thread, and windows by product and version."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.bundle.drift.baseline import Baseline, read_baseline
from tunesmith.bundle.drift.facts import facts_of
from tunesmith.bundle.drift.window import Look, Window
from tunesmith.service.drain import Drain
from tunesmith.service.watching.alert import Alert
from tunesmith.service.watching.settings import Drift

if TYPE_CHECKING:
    from tunesmith.core.contracts import Feature, Prediction, Row
    from tunesmith.service.monitoring import Counts

log = logging.getLogger(__name__)

Seen = tuple[str, str, Path, Sequence[Any], Sequence[Any], Sequence[Any]]
"""Product, version, its bundle's folder, rows, features, answers."""


class Watch:
    """Drift by product and version; never by key.

    Args:
        settings: how closely.
        counts: where the figures go.
        tell: is called with what is wrong.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        settings: Drift,
        counts: Counts,
        tell: Callable[[Alert], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self._counts, self._tell, self._clock = settings, counts, tell, clock
        self._windows: dict[tuple[str, str, Path], Window | None] = {}
        """By product, version and its bundle's folder; None: it has no baseline."""
        self._looks: dict[tuple[str, str], Look] = {}
        self._lock = threading.Lock()
        self._room, self._then = settings.per_second, clock()
        self._drain: Drain[Seen] = Drain(self._look, "watch", most=2_000)

    def saw(
        self,
        product: str,
        version: str,
        folder: Path,
        rows: Sequence[Row],
        features: Sequence[Feature],
        answers: Sequence[Prediction],
    ) -> None:
        """Take an answer, unless this second has had its rows. Never blocks."""
        if not features or self._windows.get((product, version, folder), True) is None:
            return
        now = self._clock()
        most = self.settings.per_second
        self._room = min(most, self._room + (now - self._then) * most)
        self._then = now
        if self._room >= 1:
            self._room -= len(rows)
            self._drain.put((product, version, folder, rows, features, answers))

    def told(self, product: str, version: str) -> Look | None:
        """The last look at a version; None where there was none yet."""
        with self._lock:
            return self._looks.get((product, version))

    def forget(self, product: str, version: str) -> None:
        """A version goes; what comes under its name again may be another bundle, with a baseline of its own."""
        with self._lock:
            self._looks.pop((product, version), None)
            for key in [key for key in self._windows if key[:2] == (product, version)]:
                del self._windows[key]

    def flush(self) -> None:
        """Wait until all that was taken is looked at."""
        self._drain.flush()

    def close(self) -> None:
        """End."""
        self._drain.close()

    def _look(self, some: list[Seen]) -> None:
        for product, version, folder, rows, features, answers in some:
            window = self._window(product, version, folder)
            if window is None:
                continue
            with self._lock:
                looks = window.add(facts_of(rows, features, answers, window.baseline.unknown))
            for look in looks:
                self._say(product, version, look)

    def _window(self, product: str, version: str, folder: Path) -> Window | None:
        key = (product, version, folder)
        with self._lock:
            if key not in self._windows:
                baseline = _read(folder)
                own = self.settings
                self._windows[key] = None if baseline is None else Window(
                    baseline, rows=own.rows, step=own.step, level=own.level, effect=own.effect
                )  # fmt: skip
            return self._windows[key]

    def _say(self, product: str, version: str, look: Look) -> None:
        with self._lock:
            self._looks[product, version] = look
        self._counts.drifted(product, version, look.sizes, bool(look.moved))
        if look.moved:
            worst = sorted(look.moved, key=lambda name: -look.sizes[name])
            told = ", ".join(f"{name} ({look.sizes[name]:.2f})" for name in worst[:4])
            words = (
                f"The last {self.settings.rows} rows of {product} {version} differ from those that it was proven on: "
                f"{told}."
            )
            self._tell(Alert("drift", product, version, words, facts={"sizes": _short(look.sizes), "rows": look.rows}))


def _read(folder: Path) -> Baseline | None:
    try:
        found = read_baseline(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: its baseline cannot be read (%s); its drift is not watched", folder, error)
        return None
    if found is None:
        log.info("%s has no baseline, so its drift is not watched; tune it again to have one", folder)
    return found


def _short(sizes: Mapping[str, float]) -> dict[str, float]:
    return {name: round(size, 4) for name, size in sizes.items()}

"""What is wrong with a service, looked for every minute by itself: errors, a long queue, answers that abstain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from tunesmith.service.monitoring import Tally
from tunesmith.service.watching.alert import Alert
from tunesmith.service.watching.settings import Alerts

if TYPE_CHECKING:
    from tunesmith.service.monitoring import Counts
    from tunesmith.service.products import Products

EVERY = 60.0
"""Seconds between two looks."""
LEAST = 20
"""Requests, or answers, below which a share says nothing: fewer are kept until so many are together."""
NOTHING = Tally()


class Rules:
    """Compares totals with those of the last look that had enough of them.

    Args:
        settings: thresholds.
        counts: the totals.
        products: whose queues are looked at.
        tell: is called with what is wrong.
    """

    def __init__(self, settings: Alerts, counts: Counts, products: Products, tell: Callable[[Alert], None]) -> None:
        self._settings, self._counts, self._products, self._tell = settings, counts, products, tell
        self._asked: dict[tuple[str, str], Tally] = {}
        self._answered: dict[tuple[str, str], Tally] = {}
        """Totals by product and version when its requests, and its answers, were looked at."""

    def look(self) -> None:
        """Once."""
        for alert in (*self._shares(), *self._queues()):
            self._tell(alert)

    def _shares(self) -> Iterator[Alert]:
        for (product, version), now in list(self._counts.tallies.items()):
            key = (product, version)
            for kind, looked, whole, part, words, allowed in (
                ("errors", self._asked, "requests", "failed", "did not answer", self._settings.errors),
                ("abstained", self._answered, "answers", "abstained", "abstained from", self._settings.abstained),
            ):
                then = looked.get(key, NOTHING)
                of, some = (getattr(now, name) - getattr(then, name) for name in (whole, part))
                if of < LEAST:
                    continue
                looked[key] = replace(now)
                if some / of > allowed:
                    said = f"{product} {version} {words} {some} of its last {of} {whole}."
                    yield Alert(kind, product, version, said, {part: some, whole: of})

    def _queues(self) -> Iterator[Alert]:
        for product in self._products:
            for version in list(product.versions.values()):
                wait = version.engine.wait_expected()
                if wait > self._settings.wait:
                    words = f"A request to {product.name} {version.name} waits about {wait:.1f} s."
                    yield Alert("waiting", product.name, version.name, words, {"seconds": round(wait, 2)})

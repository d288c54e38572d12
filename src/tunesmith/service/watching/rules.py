"""What is wrong with a service, looked for every minute by itself: errors, a long queue, answers that abstain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from tunesmith.service.watching.alert import Alert
from tunesmith.service.watching.settings import Alerts

if TYPE_CHECKING:
    from tunesmith.service.monitoring import Counts, Tally
    from tunesmith.service.products import Products

EVERY = 60.0
"""Seconds between two looks."""
LEAST = 20
"""Requests in that time below which a share says nothing."""


class Rules:
    """Compares totals with those of the last look.

    Args:
        settings: thresholds.
        counts: the totals.
        products: whose queues are looked at.
        tell: is called with what is wrong.
    """

    def __init__(self, settings: Alerts, counts: Counts, products: Products, tell: Callable[[Alert], None]) -> None:
        self._settings, self._counts, self._products, self._tell = settings, counts, products, tell
        self._then: dict[tuple[str, str], Tally] = {}

    def look(self) -> None:
        """Once."""
        for alert in (*self._shares(), *self._queues()):
            self._tell(alert)

    def _shares(self) -> Iterator[Alert]:
        for (product, version), now in list(self._counts.tallies.items()):
            then = self._then.get((product, version))
            self._then[product, version] = replace(now)
            requests, failed = now.requests - (then.requests if then else 0), now.failed - (then.failed if then else 0)
            answers = now.answers - (then.answers if then else 0)
            abstained = now.abstained - (then.abstained if then else 0)
            if requests >= LEAST and failed / requests > self._settings.errors:
                words = f"{product} {version} did not answer {failed} of {requests} requests of the last minute."
                yield Alert("errors", product, version, words, {"failed": failed, "requests": requests})
            if answers >= LEAST and abstained / answers > self._settings.abstained:
                words = f"{product} {version} abstained from {abstained} of {answers} answers of the last minute."
                yield Alert("abstained", product, version, words, {"abstained": abstained, "answers": answers})

    def _queues(self) -> Iterator[Alert]:
        for product in self._products:
            for version in list(product.versions.values()):
                wait = version.engine.wait_expected()
                if wait > self._settings.wait:
                    words = f"A request to {product.name} {version.name} waits about {wait:.1f} s."
                    yield Alert("waiting", product.name, version.name, words, {"seconds": round(wait, 2)})

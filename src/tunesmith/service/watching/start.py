"""Puts together what watches a service."""

from __future__ import annotations

from tunesmith.service.services import Services
from tunesmith.service.ticker import Ticker
from tunesmith.service.watching.alert import Teller
from tunesmith.service.watching.rules import EVERY, Rules
from tunesmith.service.watching.traces import Traces
from tunesmith.service.watching.watch import Watch


def watch_over(services: Services) -> None:
    """As the catalog says.

    Raises:
        TunesmithError: a mail server's password or a package is missing.
    """
    asked = services.catalog.watch
    services.tell = tell = Teller(asked.alerts)
    if asked.drift is not None:
        services.watch = Watch(asked.drift, services.counts, tell)
    services.rules = Ticker("alerts", Rules(asked.alerts, services.counts, services.products, tell).look, EVERY)
    services.rules.start()
    if asked.traces is not None:
        services.traces = Traces(asked.traces)

"""What the endpoints reach: one object for the whole service, in ``app.state.services``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request

from tunesmith.service.caller import OPEN, Caller
from tunesmith.service.monitoring import Counts
from tunesmith.service.problems import Refused
from tunesmith.service.products import Products
from tunesmith.service.safety.guard import Guard
from tunesmith.service.settings import Catalog

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

    from sqlalchemy import Engine as Store

    from tunesmith.service.answers import Answers
    from tunesmith.service.jobs.jobs import Jobs
    from tunesmith.service.metering.tick import TickMeter
    from tunesmith.service.request_log import RequestLog
    from tunesmith.service.ticker import Ticker
    from tunesmith.service.watching.alert import Teller
    from tunesmith.service.watching.traces import Traces
    from tunesmith.service.watching.watch import Watch


class Keys(Protocol):
    """Who a header is."""

    def start(self) -> None:
        """Begin to look for changes; may take as long as a store does."""
        ...

    def of(self, id: str) -> Caller:
        """A key by its public id, for work that goes on without its header. Raise Refused (401) where it has ended."""
        ...

    def find(self, header: str | None) -> Caller:
        """Raise Refused (401, 403) where it is nobody."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Allowance(Protocol):
    """What plans allow."""

    async def admit(self, caller: Caller, product: str) -> None:
        """Count a request; raise Refused (429) where the plan is used up."""
        ...

    async def take_back(self, caller: Caller, product: str) -> None:
        """Uncount a request that we could not answer."""
        ...

    async def retried(self, caller: Caller, product: str, tokens: int) -> None:
        """Count an answered retry once where it is paid for, and as any other where machines are kept free."""
        ...

    async def first(self, caller: Caller, question: str) -> bool:
        """Whether this is the first answer to a question under a client's own id, in 24 hours."""
        ...

    async def headers(self, caller: Caller) -> dict[str, str]:
        """``x-ratelimit-*``: what is left of the minute."""
        ...

    async def spend(self, caller: Caller, product: str, tokens: int) -> None:
        """Count what it cost."""
        ...


@dataclass
class Services:
    """The parts of a running service. What is None is switched off."""

    catalog: Catalog
    products: Products
    counts: Counts
    keys: Keys | None = None
    allowance: Allowance | None = None
    meter: TickMeter | None = None
    store: Store | None = None
    answers: Answers | None = None
    """What feedback is put beside."""
    log: RequestLog | None = None
    guards: dict[str, Guard] = field(default_factory=dict)
    """By product."""
    jobs: Jobs | None = None
    """On files; made by ``jobs_of`` when they are first asked for."""
    watch: Watch | None = None
    """Looks for drift."""
    tell: Teller | None = None
    """Sends alerts."""
    rules: Ticker | None = None
    """Looks for what alerts are about."""
    traces: Traces | None = None
    alone: bool = True
    """Whether no other process serves the same; else what changes one of them alone is refused."""
    behind_proxy: bool = False
    """Whether a request may reach any of several replicas, so that none can tell what it counts itself."""
    metrics: ThreadingHTTPServer | None = None
    """Tells Prometheus what this replica counts."""
    ready: bool = False
    loop: asyncio.AbstractEventLoop | None = None
    """The one that answers, once it runs."""

    def caller(self, request: Request) -> Caller:
        """Who asks.

        Raises:
            Refused: 401 or 403.
        """
        if self.keys is None:
            return OPEN
        return self.keys.find(request.headers.get("authorization"))

    def close(self) -> None:
        """Write down what is not written yet, and end."""
        watching = (self.rules, self.watch, self.tell, self.traces)
        for part in (*watching, self.answers, self.meter, self.log, self.keys):
            if part is not None:
                part.close()
        if self.metrics is not None:
            self.metrics.shutdown()
            self.metrics.server_close()

    def need_alone(self, what: str) -> None:
        """Raise Refused (409) where other replicas would not learn of it."""
        if not self.alone:
            why = f"{what} would change one of several replicas. Change the catalog and start the service again."
            raise Refused(409, "several_replicas", why)

    def guard(self, product: str) -> Guard:
        """What a product lets in and out."""
        found = self.guards.get(product)
        if found is None:  # loaded by an admin, after the catalog
            found = self.guards[product] = Guard(self.catalog.policy(product))
        return found

    def admin(self, request: Request) -> Caller:
        """The same, who must be an admin; without keys it is whoever reaches the service."""
        caller = self.caller(request)
        if self.keys is not None and not caller.admin:
            raise Refused(403, "not_admin", "This needs the admin key.")
        return caller

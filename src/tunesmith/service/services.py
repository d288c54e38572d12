"""What the endpoints reach: one object for the whole service, in ``app.state.services``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import Request

from tunesmith.service.caller import OPEN, Caller
from tunesmith.service.metering.event import Event
from tunesmith.service.monitoring import Counts
from tunesmith.service.problems import Refused
from tunesmith.service.products import Products
from tunesmith.service.settings import Catalog


class Keys(Protocol):
    """Who a header is."""

    def of(self, id: str) -> Caller:
        """A key by its public id, for work that goes on without its header. Raise Refused (401) where it has ended."""
        ...

    def find(self, header: str | None) -> Caller:
        """Raise Refused (401, 403) where it is nobody."""
        ...


class Allowance(Protocol):
    """What plans allow."""

    async def admit(self, caller: Caller, product: str) -> None:
        """Count a request; raise Refused (429) where the plan is used up."""
        ...

    async def spend(self, caller: Caller, product: str, tokens: int) -> None:
        """Count what it cost."""
        ...


class Writes(Protocol):
    """What writes events where they are not lost."""

    def write(self, events: Sequence[Event]) -> None:
        """All of them, or raise."""
        ...

    def close(self) -> None:
        """End, with everything settled."""
        ...


@dataclass
class Services:
    """The parts of a running service. What is None is switched off."""

    catalog: Catalog
    products: Products
    counts: Counts
    keys: Keys | None = None
    allowance: Allowance | None = None
    meter: Any = None
    """A ``metering.tick.TickMeter``."""
    store: Any = None
    """The SQLAlchemy engine."""
    parts: dict[str, Any] = field(default_factory=dict)
    """What groups of endpoints keep for themselves, by their name."""
    ready: bool = False

    def caller(self, request: Request) -> Caller:
        """Who asks.

        Raises:
            Refused: 401 or 403.
        """
        if self.keys is None:
            return OPEN
        return self.keys.find(request.headers.get("authorization"))

    def admin(self, request: Request) -> Caller:
        """The same, who must be an admin; without keys it is whoever reaches the service."""
        caller = self.caller(request)
        if self.keys is not None and not caller.admin:
            raise Refused(403, "not_admin", "This needs the admin key.")
        return caller

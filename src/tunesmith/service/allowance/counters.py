"""Numbers that end with their window, kept by the storages of the package ``limits``.

In memory: its synchronous storage, called on the event loop: microseconds
(``benchmarks/results/service_money.md``). Its asynchronous one looks through all counters at each call, which takes
longer the more keys there are.

In Redis: its asynchronous storage, so that the event loop does other work while Redis answers.
"""

from __future__ import annotations

from typing import Protocol

from tunesmith.core.errors import TunesmithError
from tunesmith.core.extras import need

SLACK = 60
"""Seconds for which a number outlives its window: clocks of several machines differ."""
SECONDS = 1.0
"""How long Redis may take to answer."""


class Away(Exception):
    """Nothing can be counted at the moment."""


class Counters(Protocol):
    """Named numbers."""

    async def add(self, name: str, amount: int, seconds: float) -> int:
        """Add to a number that lasts so long, and say what it is now."""
        ...

    async def get(self, name: str) -> int:
        """A number; 0 where there is none."""
        ...


class InMemory:
    """Of this process alone, and gone with it."""

    def __init__(self) -> None:
        from limits.storage import MemoryStorage

        self._storage = MemoryStorage()

    async def add(self, name: str, amount: int, seconds: float) -> int:
        """See ``Counters``."""
        return self.add_now(name, amount, seconds)

    def add_now(self, name: str, amount: int, seconds: float) -> int:
        """The same, outside of an event loop."""
        return self._storage.incr(name, seconds + SLACK, amount)

    async def get(self, name: str) -> int:
        """See ``Counters``."""
        return self._storage.get(name)


class InRedis:
    """Of all processes that share a Redis.

    Args:
        uri: ``redis://``, ``rediss://`` or ``redis+unix://``.
    """

    def __init__(self, uri: str) -> None:
        from limits.aio.storage import RedisStorage

        self._storage = RedisStorage(
            f"async+{uri}",
            implementation="redispy",
            key_prefix="tunesmith",
            socket_timeout=SECONDS,
            socket_connect_timeout=SECONDS,
        )
        base = self._storage.base_exceptions
        self._errors: tuple[type[Exception], ...] = (*(base if isinstance(base, tuple) else (base,)), OSError)

    async def add(self, name: str, amount: int, seconds: float) -> int:
        """See ``Counters``; raises ``Away``."""
        try:
            return await self._storage.incr(name, max(1, round(seconds + SLACK)), amount)
        except self._errors as error:
            raise Away(str(error)) from error

    async def get(self, name: str) -> int:
        """See ``Counters``; raises ``Away``."""
        try:
            return await self._storage.get(name)
        except self._errors as error:
            raise Away(str(error)) from error


def counters(uri: str) -> InMemory | InRedis:
    """The counters of an URI.

    Raises:
        TunesmithError: no such kind, or a package is missing. Redis itself is first asked when it is needed.
    """
    need("limits", extra="serve", purpose="plans")
    kind = uri.partition("://")[0]
    if kind == "memory":
        return InMemory()
    if kind in ("redis", "rediss", "redis+unix"):
        need("redis", extra="serve", purpose="limits in Redis")
        try:
            return InRedis(uri)
        except Exception as error:  # of many kinds; its words may hold the password
            raise TunesmithError(f"limits is not an address of Redis: {type(error).__name__}.", EXAMPLES) from None
    raise TunesmithError(f'limits is of the kind "{kind[:20]}"; memory, redis and rediss are known.', EXAMPLES)


EXAMPLES = "For example memory://, or redis://localhost:6379/0."

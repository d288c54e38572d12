"""Plans are kept: requests and tokens of a minute, a day and a calendar month, in UTC.

A request is counted before it is computed, and taken back where another limit refuses it: what is refused uses
nothing up. Tokens are known only after, so a window's last request may go over by its own tokens; the next is refused.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b

from sqlalchemy import Engine, func, select

from tunesmith.service.allowance.counters import Away, InMemory, counters
from tunesmith.service.allowance.windows import NAMES, Window, in_words, window
from tunesmith.service.caller import Caller
from tunesmith.service.metering.settle import COUNTED_FOR
from tunesmith.service.problems import Refused
from tunesmith.service.settings import PerWindow, Plan
from tunesmith.service.store.tables import usage

log = logging.getLogger(__name__)


class Quotas:
    """What keys may still use.

    Args:
        plans: by name. A caller whose plan is "" has no limits.
        uri: where it is counted: ``memory://``, for one process, or ``redis://host:port``, for several.
        clock: seconds since 1970.

    Raises:
        TunesmithError: the URI is not understood.
    """

    def __init__(
        self, plans: Mapping[str, Plan], uri: str = "memory://", *, clock: Callable[[], float] = time.time
    ) -> None:
        self._plans = plans
        self._counters = counters(uri)
        self._clock = clock

    async def admit(self, caller: Caller, product: str) -> None:
        """Count one request.

        Raises:
            Refused: 429, a limit is used up; 403, its plan is not in the catalog; 503, Redis is away.
        """
        if not caller.plan:
            return
        plan, now = self._plan(caller), self._clock()
        try:
            for limit, span in _limits(plan.tokens, now):
                if await self._counters.get(_name(caller, "tokens", span)) >= limit:
                    raise _used_up(caller, "tokens", limit, span, now)
            taken: list[Window] = []
            for limit, span in _limits(plan.requests, now):
                taken.append(span)
                if await self._counters.add(_name(caller, "requests", span), 1, span.end - now) > limit:
                    for one in taken:
                        await self._counters.add(_name(caller, "requests", one), -1, one.end - now)
                    raise _used_up(caller, "requests", limit, span, now)
        except Away as error:
            log.error("requests cannot be counted: %s", error)
            message = "The service cannot look up what your plan allows at the moment."
            raise Refused(503, "limits_unavailable", message, retry_after=2) from error

    async def take_back(self, caller: Caller, product: str) -> None:
        """A request that was admitted, and then not answered by our own fault (503), uses nothing up."""
        if not caller.plan:
            return
        now = self._clock()
        try:
            await self._uncount(caller, now, NAMES)
        except Away as error:
            log.error("a request of %s is not given back: %s", caller.key, error)

    async def spend(self, caller: Caller, product: str, tokens: int) -> None:
        """Count what an answer cost. It is given in any case: where Redis is away, only the limit does not know."""
        if not caller.plan or tokens <= 0:
            return
        now = self._clock()
        try:
            for _, span in _limits(self._plan(caller).tokens, now):
                await self._counters.add(_name(caller, "tokens", span), tokens, span.end - now)
        except Away as error:
            log.error("%d tokens of %s are not counted against its plan: %s", tokens, caller.key, error)

    async def retried(self, caller: Caller, product: str, tokens: int) -> None:
        """A retry was answered.

        The day and the month, which are paid for, count a question once; the minute, which keeps the machine free for
        others, counts what was computed.
        """
        if not caller.plan:
            return
        now = self._clock()
        try:
            await self._uncount(caller, now, ("month", "day"))
            for _, span in _limits(self._plan(caller).tokens, now):
                if span.name == "minute":
                    await self._counters.add(_name(caller, "tokens", span), tokens, span.end - now)
        except Away as error:
            log.error("a retry of %s is not given back: %s", caller.key, error)

    async def _uncount(self, caller: Caller, now: float, names: Collection[str]) -> None:
        for _, span in _limits(self._plan(caller).requests, now):
            # A count of nothing is of a window that is new since the request was admitted.
            if span.name in names and await self._counters.get(_name(caller, "requests", span)) > 0:
                await self._counters.add(_name(caller, "requests", span), -1, span.end - now)

    async def first(self, caller: Caller, question: str) -> bool:
        """Whether it is the first answer to a question under a client's own id, as usage counts it: in 24 hours.

        Args:
            question: the id, and what was asked. Where Redis is away each is the first.
        """
        if not caller.plan:
            return True
        told = blake2b(question.encode(), digest_size=12).hexdigest()
        try:
            return await self._counters.add(f"{caller.key}/answered/{told}", 1, COUNTED_FOR) == 1
        except Away as error:
            log.error("a retry of %s would be counted against its plan: %s", caller.key, error)
            return True

    async def headers(self, caller: Caller) -> dict[str, str]:
        """``x-ratelimit-*`` as OpenAI names them, of the minute; without those that the plan does not limit."""
        if not caller.plan:
            return {}
        plan, span = self._plan(caller), window("minute", self._clock())
        told = {}
        for what, limit in (("requests", plan.requests.minute), ("tokens", plan.tokens.minute)):
            if limit is not None:
                try:
                    used = await self._counters.get(_name(caller, what, span))
                except Away:
                    return {}
                told[f"x-ratelimit-limit-{what}"] = str(limit)
                told[f"x-ratelimit-remaining-{what}"] = str(max(0, limit - used))
                told[f"x-ratelimit-reset-{what}"] = f"{max(0.0, span.end - self._clock()):.0f}s"
        return told

    def seed(self, engine: Engine) -> None:
        """Take over what this day and month have in the store, where counting is in memory and begins at nothing.

        The minute is not taken over. To be called once, at the start, after the meter has settled old files.
        """
        if not isinstance(self._counters, InMemory):
            return
        now = self._clock()
        for span in (window("day", now), window("month", now)):
            first = datetime.fromtimestamp(span.start, UTC).date()
            sums = (func.sum(usage.c.requests), func.sum(usage.c.tokens))
            with engine.connect() as connection:
                rows = connection.execute(select(usage.c.key, *sums).where(usage.c.day >= first).group_by(usage.c.key))
                for key, requests, tokens in rows:
                    for what, amount in (("requests", int(requests)), ("tokens", int(tokens))):
                        if amount:
                            self._counters.add_now(_name(Caller(key), what, span), amount, span.end - now)

    def _plan(self, caller: Caller) -> Plan:
        plan = self._plans.get(caller.plan)
        if plan is None:  # a plan that left the catalog must not become one without limits
            message = f'The plan "{caller.plan}" of this key is not offered any more. Ask whoever gave you the key.'
            raise Refused(403, "plan_not_found", message)
        return plan


def _limits(allowed: PerWindow, now: float) -> Iterator[tuple[int, Window]]:
    for name in NAMES:
        limit: int | None = getattr(allowed, name)
        if limit is not None:
            yield limit, window(name, now)


def _name(caller: Caller, what: str, span: Window) -> str:
    return f"{caller.key}/{what}/{span.name}/{span.start}"


def _used_up(caller: Caller, what: str, limit: int, span: Window, now: float) -> Refused:
    at = datetime.fromtimestamp(span.end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = (
        f'The plan "{caller.plan}" allows {limit:,} {what} a {span.name}, and they are used up. '
        f"Counting begins anew at {at}, in {in_words(span.end - now)}."
    )
    code = "rate_limit_exceeded" if span.name == "minute" else "quota_exceeded"
    return Refused(429, code, message, retry_after=span.end - now)

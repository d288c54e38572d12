"""A request's way, the same for every endpoint that computes: allowed, guarded, batched, metered, answered."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tunesmith.bundle.rows import as_rows
from tunesmith.core.errors import DataError
from tunesmith.service.caller import Caller
from tunesmith.service.problems import Refused
from tunesmith.service.products import Product, unknown
from tunesmith.service.safety.guard import Flag, Guard
from tunesmith.service.safety.limits import tokens_within
from tunesmith.service.safety.policy import Limits
from tunesmith.service.services import Services
from tunesmith.service.settling import Told, metered, noted
from tunesmith.service.version import Version
from tunesmith.service.watching.logs import TRACE_PARENT

if TYPE_CHECKING:
    from tunesmith.core.contracts import Prediction, Row
    from tunesmith.service.job import Computed

log = logging.getLogger(__name__)

COUNTED = frozenset({422, 500, 503})
"""Statuses of what a product could not read, or failed at."""


@dataclass(frozen=True)
class Answered:
    """What a client gets, and what it cost."""

    predictions: list[Prediction]
    product: str
    version: str
    read: int
    written: int = 0
    flags: list[Flag] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.read + self.written

    @property
    def usage(self) -> dict[str, int]:
        """As ``/v1/predict`` tells it."""
        told = {"tokens": self.tokens}
        return told | ({"prompt_tokens": self.read, "completion_tokens": self.written} if self.written else {})


def product_of(services: Services, caller: Caller, name: str) -> Product:
    """A product that the caller may ask; 404 for all others, there or not."""
    if not caller.may(name):
        raise unknown(name)
    return services.products.of(name)


async def ask(
    services: Services,
    caller: Caller,
    product: str,
    rows: Sequence[Any],
    request_id: str,
    *,
    low: bool = False,
    deadline: float | None = None,
) -> Answered:
    """Answers to rows, in order; metered before they are returned.

    Args:
        rows: as ``bundle.rows.as_rows`` takes them.
        low: after all requests that are not low: for work that nobody waits for.
        deadline: seconds; None: the product's.

    Raises:
        Refused: with what the client is told.
    """
    with failures_counted(services, product, request_id):
        return await _asked(services, caller, product, rows, request_id, low, deadline)


@contextmanager
def failures_counted(services: Services, product: str, request_id: str) -> Iterator[None]:
    """Count a request that a product does not answer, where that is not for who asked it: 401, 404, 429 ..."""
    try:
        yield
    except Refused as why:
        if why.status in COUNTED:
            services.counts.failed(product, services.products.of(product).pick(request_id).name, why.code, why.status)
        raise


async def _asked(
    services: Services,
    caller: Caller,
    product: str,
    rows: Sequence[Any],
    request_id: str,
    low: bool,
    deadline: float | None,
) -> Answered:
    began = time.monotonic()
    found, guard, rows, flags = await admitted(services, caller, product, rows)
    limits = guard.policy.limits
    try:
        version, asked, computed = await _computed(found, rows, caller, request_id, low, deadline, limits)
    except Refused as why:
        await given_back(services, caller, product, why)
        raise
    predictions, more = await guarded(guard, guard.after, computed.predictions)
    stages = {
        "queue": computed.waited - computed.tokenised, "tokenise": computed.tokenised, "compute": computed.computed,
        "total": time.monotonic() - began,
    }  # fmt: skip
    told = Told(
        caller, request_id, product, version.name, guard.policy, asked, predictions, computed.tokens,
        computed.written, [*flags, *more], stages,
    )  # fmt: skip
    await metered(services, told)
    noted(services, told)
    watched(services, version, told, computed)
    if found.shadow is not None and not low:
        behind(_compare(services, found, asked, predictions))
    return Answered(predictions, product, version.name, told.read, told.written, list(told.flags))


def watched(services: Services, version: Version, told: Told, computed: Computed) -> None:
    """What who watches is shown of an answer; nothing waits."""
    services.counts.computed(told.product, version.name, computed.together, computed.predictions)
    if services.watch is not None:
        folder = version.bundle.path
        services.watch.saw(told.product, version.name, folder, told.asked, computed.features, computed.predictions)
    if services.traces is not None:
        facts = {"product": told.product, "version": version.name, "request_id": told.request_id}
        counts = {"rows": len(told.asked), "tokens": told.tokens, "batch_rows": computed.together}
        services.traces.answered(f"predict {told.product}", facts | counts, told.stages, TRACE_PARENT.get())


async def admitted(
    services: Services, caller: Caller, product: str, rows: Sequence[Any]
) -> tuple[Product, Guard, list[Any], list[Flag]]:
    """A product, its guard, and the rows as the model may see them, with what filters found.

    Raises:
        Refused: the caller may not ask it, its plan is used up, or a filter stops it.
    """
    found = product_of(services, caller, product)
    if services.allowance is not None:
        await services.allowance.admit(caller, product)
    guard = services.guard(product)
    return found, guard, *await guarded(guard, guard.before, rows)


async def given_back(services: Services, caller: Caller, product: str, why: Refused) -> None:
    """Overload is not the client's to pay: the request is taken off its plan again."""
    if why.status == 503 and services.allowance is not None:
        await services.allowance.take_back(caller, product)


async def guarded(
    guard: Guard, check: Callable[[Sequence[Any]], tuple[list[Any], list[Flag]]], given: Sequence[Any]
) -> tuple[list[Any], list[Flag]]:
    """What a guard lets through; in a thread where a classifier is asked, which must not wait for this event loop."""
    return await asyncio.to_thread(check, given) if guard.slow(given) else check(given)


async def _computed(
    product: Product,
    rows: Sequence[Any],
    caller: Caller,
    request_id: str,
    low: bool,
    deadline: float | None,
    limits: Limits,
) -> tuple[Version, list[Row], Computed]:
    """What a version says. One that is taken away at this moment is not asked: its follower is."""
    while True:
        version = product.pick(request_id)
        try:
            asked = as_rows(version.task, rows)
        except DataError as error:
            raise Refused(422, "unreadable_rows", str(error).replace("\n", " ")) from error
        check = None if limits.tokens is None else partial(tokens_within, limits)
        try:
            found = await version.engine.submit(asked, caller.key, deadline=deadline, low=low, check=check)
            return version, asked, found
        except Refused as why:
            if why.code != "unloading" or product.pick(request_id) is version:
                raise


async def _compare(services: Services, product: Product, rows: list[Row], predictions: list[Prediction]) -> None:
    from tunesmith.bundle.parity import same_answer

    shadow = product.shadow
    if shadow is None or shadow.engine.wait_expected() > 1:
        return
    try:
        computed = await shadow.engine.submit(rows, "shadow", low=True)
    except Refused:
        return
    for one, other in zip(predictions, computed.predictions, strict=True):
        services.counts.shadow.labels(product.name, shadow.name, str(same_answer(one, other)).lower()).inc()


_running: set[asyncio.Task[None]] = set()


def behind(work: Any) -> None:
    """Run beside; kept until done, for the event loop itself holds tasks only weakly."""
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_running.discard)

"""A request's way, the same for every endpoint that computes: allowed, guarded, batched, metered, answered."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tunesmith.bundle.rows import as_rows
from tunesmith.core.errors import DataError
from tunesmith.service.caller import Caller
from tunesmith.service.metering.event import Event
from tunesmith.service.problems import Refused
from tunesmith.service.products import Product, unknown
from tunesmith.service.safety.files import beside, files_within
from tunesmith.service.safety.guard import Flag, Guard
from tunesmith.service.safety.limits import tokens_within
from tunesmith.service.safety.policy import Limits
from tunesmith.service.services import Services
from tunesmith.service.settling import Told, metered, noted, traced
from tunesmith.service.version import Version

if TYPE_CHECKING:
    from tunesmith.core.contracts import Prediction, Row, Task
    from tunesmith.service.job import Computed

log = logging.getLogger(__name__)

Fits = Callable[[Sequence["Prediction"]], None]
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
    own: int | None = None,
    fits: Fits | None = None,
) -> Answered:
    """Answers to rows, in order; metered before they are returned.

    Args:
        rows: as ``bundle.rows.as_rows`` takes them.
        low: after all requests that are not low: for work that nobody waits for.
        deadline: seconds; None: the product's.
        own: rows, from the first, that are the client's. The others were made of them: they are charged, and neither
            watched nor remembered. None: all are.
        fits: raises Refused where the answers are not what was asked for; then nothing is charged.

    Raises:
        Refused: with what the client is told.
    """
    with failures_counted(services, product, request_id):
        found = product_of(services, caller, product)
        async with admitted(services, caller, product, request_id):
            return await _asked(services, caller, found, rows, request_id, low, deadline, own, fits)


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
    product: Product,
    rows: Sequence[Any],
    request_id: str,
    low: bool,
    deadline: float | None,
    own: int | None,
    fits: Fits | None,
) -> Answered:
    began = time.monotonic()
    guard = services.guard(product.name)
    rows, flags = await guarded(guard, guard.before, rows)
    limits = guard.policy.limits
    version, asked, computed = await _computed(product, rows, caller, request_id, low, deadline, limits)
    if fits is not None:
        fits(computed.predictions)
    predictions, more = await guarded(guard, guard.after, computed.predictions)
    stages = {
        "queue": computed.waited - computed.tokenised, "tokenise": computed.tokenised, "compute": computed.computed,
        "total": time.monotonic() - began,
    }  # fmt: skip
    told = Told(
        caller, request_id, product.name, version.name, guard.policy, asked, predictions, computed.tokens,
        computed.written, [*flags, *more], stages, own=own, low=low,
    )  # fmt: skip
    await metered(services, told)
    noted(services, told)
    watched(services, version, told, computed)
    if product.shadow is not None and not low:
        behind(_compare(services, product, asked[:own], predictions[:own]))
    return Answered(predictions, product.name, version.name, told.read, told.written, list(told.flags))


def watched(services: Services, version: Version, told: Told, computed: Computed) -> None:
    """What who watches is shown of an answer; nothing waits."""
    asked, predictions = told.asked[: told.own], computed.predictions[: told.own]
    services.counts.computed(told.product, version.name, computed.together, predictions)
    if services.watch is not None:
        folder = version.bundle.path
        services.watch.saw(told.product, version.name, folder, asked, computed.features, predictions)
    traced(services, told, "predict", batch_rows=computed.together)


@asynccontextmanager
async def admitted(services: Services, caller: Caller, product: str, request_id: str) -> AsyncIterator[None]:
    """Within: a request that is counted against its plan, and is ``unanswered`` where it fails or is refused after all.

    Raises:
        Refused: its plan is used up.
    """
    if services.allowance is not None:
        await services.allowance.admit(caller, product)
    try:
        yield
    except Exception as error:
        version = services.products.of(product).pick(request_id).name
        status = error.status if isinstance(error, Refused) else 500
        await unanswered(services, caller, product, version, request_id, status)
        raise


async def unanswered(
    services: Services, caller: Caller, product: str, version: str, request_id: str, status: int
) -> None:
    """Settle a request that was admitted and gets no answer.

    Overload is not the client's to pay, so it is taken off its plan again. What we failed at is written down as failed.
    """
    if status == 503 and services.allowance is not None:
        await services.allowance.take_back(caller, product)
    if status == 500 and services.meter is not None:
        failed = Event(request_id, caller.key, product, version, rows=0, tokens=0, status=status)
        with suppress(Refused):  # it cannot be written: the log says so, and the client is told of its own failure
            await services.meter.note(failed)


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
        within = version.engine.limits.deadline if deadline is None else deadline
        asked = await beside(partial(_read, version.task, rows, limits), rows, within, low=low)
        check = None if limits.tokens is None else partial(tokens_within, limits)
        try:
            found = await version.engine.submit(asked, caller.key, deadline=deadline, low=low, check=check)
            return version, asked, found
        except Refused as why:
            if why.code != "unloading" or product.pick(request_id) is version:
                raise


def _read(task: Task, rows: Sequence[Any], limits: Limits) -> list[Row]:
    files_within(limits, rows)
    try:
        return as_rows(task, rows)
    except DataError as error:
        raise Refused(422, "unreadable_rows", str(error).replace("\n", " ")) from error


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

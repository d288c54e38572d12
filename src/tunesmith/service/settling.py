"""What an answer costs, written down before the client has it; the same for every endpoint that computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.service.caller import Caller
from tunesmith.service.metering.event import Event, digest_of
from tunesmith.service.request_log import note
from tunesmith.service.safety.guard import Flag
from tunesmith.service.safety.policy import Policy
from tunesmith.service.services import Services
from tunesmith.service.watching.logs import TRACE_PARENT

if TYPE_CHECKING:
    from tunesmith.core.contracts import Prediction, Row


@dataclass(frozen=True)
class Told:
    """An answer, or as much of it as the client has seen.

    Args:
        caller: who asked.
        request_id: the client's own or ours.
        product: what was asked.
        version: of it.
        policy: the product's.
        asked: the rows.
        predictions: one a row.
        read: tokens that the model read.
        written: tokens that it wrote.
        flags: what filters found.
        stages: seconds by name.
        own: rows, from the first, that the client asked about; the others were made of them. None: all are its own.
        low: whether nobody waits for it, so that its seconds say nothing of how quick the service is.
        how: what else makes a question another one, for a client's own id: sampling, and where a stream broke off.
    """

    caller: Caller
    request_id: str
    product: str
    version: str
    policy: Policy
    asked: Sequence[Row]
    predictions: Sequence[Prediction]
    read: int
    written: int = 0
    flags: Sequence[Flag] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    own: int | None = None
    low: bool = False
    how: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """All that is charged."""
        return self.read + self.written


def noted(services: Services, told: Told) -> None:
    """What needs no waiting: the request log, what feedback is put beside, Prometheus."""
    asked, predictions = told.asked[: told.own], told.predictions[: told.own]
    if services.answers is not None:
        services.answers.keep(
            told.policy, told.caller.key, told.request_id, told.product, told.version, asked, predictions
        )
    note(
        request_id=told.request_id, key=told.caller.key, product=told.product, version=told.version,
        rows=len(told.asked), tokens=told.tokens, flags=list(told.flags), asked=asked, answered=predictions,
    )  # fmt: skip
    stages = {} if told.low else told.stages
    services.counts.answered(told.product, told.version, len(told.asked), told.read, told.written, stages)


def traced(services: Services, told: Told, kind: str, **facts: int) -> None:
    """A span of an answer, where a collector is named; nothing waits."""
    if services.traces is None:
        return
    about = {"product": told.product, "version": told.version, "request_id": told.request_id}
    counts = {"rows": len(told.asked), "tokens": told.tokens, **facts}
    services.traces.answered(f"{kind} {told.product}", about | counts, told.stages, TRACE_PARENT.get())


async def metered(services: Services, told: Told) -> None:
    """Write it down, and count its tokens against the plan; in this order, for what is not sent uses nothing up.

    Raises:
        Refused: 503; it cannot be written, so the answer must not be sent.
    """
    digest = ""
    if Event.own(told.request_id):
        digest = digest_of([*told.asked, told.how] if told.how else told.asked)
    if services.meter is not None:
        await services.meter.note(
            Event(
                told.request_id,
                told.caller.key,
                told.product,
                told.version,
                rows=len(told.asked),
                tokens=told.tokens,
                digest=digest,
            )  # fmt: skip
        )
    if services.allowance is None:
        return
    if not digest or await services.allowance.first(told.caller, f"{told.request_id}\n{digest}"):
        await services.allowance.spend(told.caller, told.product, told.tokens)
    else:  # which is in the usage once
        await services.allowance.retried(told.caller, told.product, told.tokens)

"""An answer that is told while it is written: let in, guarded, metered like every other, and settled where it ends.

It ends in one of three ways. Written to its end, its usage is on the disk before the client has the end. Where the
client hangs up before that, what was written until then is charged, if it could be seen. Where we fail, nothing is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.service.asking import admitted, behind, failures_counted, guarded, product_of, unanswered
from tunesmith.service.caller import Caller
from tunesmith.service.problems import Refused
from tunesmith.service.products import Product
from tunesmith.service.safety.guard import Flag, Guard
from tunesmith.service.safety.limits import tokens_within
from tunesmith.service.safety.screen import Screen
from tunesmith.service.services import Services
from tunesmith.service.settling import Told, metered, noted, traced
from tunesmith.service.version import Version
from tunesmith.service.writing.stream import Part, Stream
from tunesmith.service.writing.writer import Writer

if TYPE_CHECKING:
    from tunesmith.core.contracts import Decoding, Feature, Row

FILTERED = "content_filter"


@dataclass(frozen=True)
class Shown:
    """What a client sees of a text: new characters, and why it ended; "" while it goes on."""

    index: int
    text: str
    finish: str = ""


@dataclass(frozen=True)
class Question:
    """What is asked of a version.

    Args:
        rows: as the guard let them through.
        encode: gives what the model reads, one feature a row.
        guess: its tokens, about.
        decodings: how each row is written, once by each.
        strip: leave out blanks where texts begin and end.
        usual: whether it is asked as the bundle's own test rows were, so that its drift can be watched.
    """

    rows: Sequence[Row]
    encode: Callable[[], Sequence[Feature]]
    guess: int
    decodings: Sequence[Decoding]
    strip: bool = True
    usual: bool = True


class Telling:
    """A request whose texts are being written; ``parts`` is to be read once, and to its end or closed.

    Args:
        watched: the bundle's folder, where its drift is watched.
    """

    def __init__(
        self,
        services: Services,
        told: Told,
        guard: Guard,
        stream: Stream,
        began: float,
        watched: Path | None = None,
    ) -> None:
        self._watched = watched
        self._services, self._told, self._guard, self._stream, self._began = services, told, guard, stream, began
        self._screens = [Screen(guard) for _ in stream.ids]
        self._texts = ["" for _ in stream.ids]
        self._finish = ["" for _ in stream.ids]
        self.flags: list[Flag] = list(told.flags)
        self.read = stream.read
        self.written = 0
        """Tokens, once it has ended."""

    @property
    def version(self) -> str:
        """Which one answers."""
        return self._told.version

    async def parts(self, *, seen: bool = True) -> AsyncGenerator[Shown]:
        """What may be shown, as it comes; the last part comes when its usage is written down.

        Args:
            seen: whether the client sees parts as they come, so that they are charged where it hangs up.

        Raises:
            Refused: it is not written, or not to its end; nothing is charged.
        """
        settled = False
        try:
            async for part in self._stream:
                shown = await self._screened(part)
                if shown is None:
                    continue
                if all(self._finish):
                    told = self._whole()
                    await metered(self._services, told)
                    settled = True
                    noted(self._services, told)
                    traced(self._services, told, "write")
                    self._saw(told)
                    yield shown
                    return
                yield shown
        except Refused as why:
            settled = True
            told = self._told
            self._services.counts.failed(told.product, told.version, why.code, why.status)
            await unanswered(self._services, told.caller, told.product, told.version, told.request_id, why.status)
            raise
        finally:
            self._stream.cancel()
            if seen and not settled and self._stream.written:
                told = self._whole(broken=True)
                noted(self._services, told)
                traced(self._services, told, "write")
                behind(metered(self._services, told))  # whoever hung up cancels all that is awaited here

    def _saw(self, told: Told) -> None:
        """What was asked, for who watches; several texts to one question are one."""
        if self._services.watch is not None and self._watched is not None:
            answers = told.predictions[:: max(1, len(told.predictions) // max(1, len(told.asked)))]
            self._services.watch.saw(
                told.product, told.version, self._watched, told.asked, self._stream.features, answers
            )

    async def _screened(self, part: Part) -> Shown | None:
        """What may be shown of a part; None: nothing new."""
        index, screen = part.index, self._screens[part.index]
        if self._finish[index]:
            return None  # a filter has ended this text; it is still being written
        text, finish = "", str(part.finish)
        try:
            text = screen.add(part.text)
            if finish:
                slow = self._guard.slow(screen.whole)
                rest, flags = await asyncio.to_thread(screen.end) if slow else screen.end()
                text += rest
                self.flags += [replaced(flag, index) for flag in flags]
        except Refused as why:
            if why.code != FILTERED:
                raise
            finish = FILTERED
        self._texts[index] += text
        self._finish[index] = finish
        return Shown(index, text, finish) if text or finish else None

    def _whole(self, *, broken: bool = False) -> Told:
        """What is charged; a stream that broke off is another question than the same one asked again."""
        self.written = self._stream.written
        now = time.monotonic()
        stages = {
            "first": self._stream.began - self._stream.arrived,
            "compute": now - self._stream.began,
            "total": now - self._began,
        }
        predictions = [
            {"text": text, "tokens": len(ids), "finish": finish or "broken"}
            for text, ids, finish in zip(self._texts, self._stream.ids, self._finish, strict=True)
        ]
        how = {**self._told.how, **({"broken": self.written} if broken else {})}
        return replace(
            self._told, predictions=predictions, read=self.read, written=self.written, flags=self.flags,
            stages=stages, how=how,
        )  # fmt: skip


def replaced(flag: Flag, row: int) -> Flag:
    """A flag of a text that was looked at alone."""
    return Flag(row=row, filter=flag["filter"], on=flag["on"], action=flag["action"])


async def tell(
    services: Services,
    caller: Caller,
    product: str,
    rows: Sequence[Any],
    request_id: str,
    question: Callable[[Version, Sequence[Any]], Question],
    how: Mapping[str, Any],
) -> Telling:
    """Begin to write answers to rows.

    Args:
        rows: what is asked, as the guard looks at it.
        question: what it is to a version; raises Refused where it cannot be asked so.
        how: what makes it another question under the same id of the client's own.

    Raises:
        Refused: with what the client is told.
    """
    with failures_counted(services, product, request_id):
        began = time.monotonic()
        found, guard = product_of(services, caller, product), services.guard(product)
        async with admitted(services, caller, product, request_id):
            rows, flags = await guarded(guard, guard.before, rows)
            version, asked, stream = await _stream(found, caller, request_id, rows, question, guard)
        told = Told(
            caller, request_id, product, version.name, guard.policy, asked.rows, [], stream.read, flags=flags, how=how
        )
        return Telling(services, told, guard, stream, began, version.bundle.path if asked.usual else None)


def writer_of(version: Version, product: str) -> Writer:
    """What writes; raises Refused (400) where answers of this product are not written token by token."""
    if not isinstance(version.engine, Writer):
        task = version.bundle.manifest.task.name
        raise Refused(
            400,
            "wrong_task",
            f"{product} does {task}, and not by writing token by token. Ask /v1/predict/{product}.",
            param="model",
        )
    return version.engine


async def _stream(
    product: Product,
    caller: Caller,
    request_id: str,
    rows: Sequence[Any],
    question: Callable[[Version, Sequence[Any]], Question],
    guard: Guard,
) -> tuple[Version, Question, Stream]:
    """A stream of a version. One that is taken away at this moment is not asked: its follower is."""
    limits = guard.policy.limits
    check = None if limits.tokens is None else partial(tokens_within, limits)
    while True:
        version = product.pick(request_id)
        writer = writer_of(version, product.name)
        asked = question(version, rows)
        try:
            stream = await writer.write(
                asked.encode, asked.guess, asked.decodings, caller.key, check=check, strip=asked.strip
            )
            return version, asked, stream
        except Refused as why:
            if why.code != "unloading" or product.pick(request_id) is version:
                raise

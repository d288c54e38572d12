"""What both endpoints that write do with a request: whole answers, or a stream of server-sent events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, Protocol, cast

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from tunesmith.service.hung_up import unless_gone
from tunesmith.service.problems import Refused
from tunesmith.service.request_id import request_id_of
from tunesmith.service.routes.answer import json_response
from tunesmith.service.streaming import Shown, Telling

DONE = b"data: [DONE]\n\n"


class Form(Protocol):
    """How an endpoint spells its answers."""

    whole: ClassVar[str]
    """``object`` of an answer."""
    part: ClassVar[str]
    """``object`` of an event."""

    def choice(self, text: Shown) -> dict[str, Any]:
        """A whole text."""
        ...

    def begin(self, index: int) -> dict[str, Any] | None:
        """What comes before a text's first piece; None: nothing."""
        ...

    def piece(self, shown: Shown) -> dict[str, Any]:
        """A piece of a text; ``finish`` with the last one."""
        ...


async def whole(request: Request, telling: Telling, form: Form, product: str) -> Response:
    """All texts at once."""
    texts: dict[int, Shown] = {}

    async def read() -> None:
        async with aclosing(telling.parts(seen=False)) as parts:
            async for part in parts:
                before = texts.get(part.index, Shown(part.index, ""))
                texts[part.index] = Shown(part.index, before.text + part.text, part.finish)

    await unless_gone(request, read())
    choices = [form.choice(texts[index]) for index in sorted(texts)]
    told = {**_head(request, telling, form.whole, product), "choices": choices, "usage": _usage(telling)}
    return json_response(told | ({"flags": telling.flags} if telling.flags else {}))


async def streamed(
    request: Request, telling: Telling, form: Form, product: str, *, usage: bool, texts: int
) -> Response:
    """Server-sent events. What is refused before the first token is refused as anywhere, with its status."""
    parts = telling.parts()
    try:
        first = await unless_gone(request, _next(parts))
    except BaseException:
        await parts.aclose()
        raise
    head = _head(request, telling, form.part, product)
    events = _events(head, telling, form, first, parts, usage=usage, texts=texts)
    return Events(events, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


class Events(StreamingResponse):
    """A stream whose generator is closed at once where the client hangs up, and not when somebody collects garbage."""

    async def stream_response(self, send: Send) -> None:
        """As it is, and then closed."""
        async with aclosing(cast("AsyncGenerator[bytes]", self.body_iterator)):
            await super().stream_response(send)


async def _next(parts: AsyncGenerator[Shown]) -> Shown:
    return await anext(parts)


async def _events(
    head: Mapping[str, Any],
    telling: Telling,
    form: Form,
    first: Shown,
    parts: AsyncGenerator[Shown],
    *,
    usage: bool,
    texts: int,
) -> AsyncIterator[bytes]:
    none = {"usage": None} if usage else {}
    async with aclosing(parts):
        for index in range(texts):
            if (begin := form.begin(index)) is not None:
                yield _event({**head, "choices": [begin], **none})
        yield _event({**head, "choices": [form.piece(first)], **none})
        try:
            async for shown in parts:
                yield _event({**head, "choices": [form.piece(shown)], **none})
        except Refused as why:
            yield _event(why.body(str(head["id"])))
            return
        if usage or telling.flags:
            flags = {"flags": telling.flags} if telling.flags else {}
            yield _event({**head, "choices": [], "usage": _usage(telling) if usage else None, **flags})
        yield DONE


def _head(request: Request, telling: Telling, kind: str, product: str) -> dict[str, Any]:
    fingerprint = f"{product}:{telling.version}"
    made = {"id": request_id_of(request.scope), "object": kind, "created": int(time.time())}
    return {**made, "model": product, "system_fingerprint": fingerprint}


def _usage(telling: Telling) -> dict[str, int]:
    read, written = telling.read, telling.written
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _event(told: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(told) + b"\n\n"

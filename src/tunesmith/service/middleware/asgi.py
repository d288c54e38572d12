"""The types of ASGI, and an answer that a layer gives itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from tunesmith.service.problems import Refused
from tunesmith.service.request_id import request_id_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that name (lower case) of a request."""
    return next((value for key, value in scope["headers"] if key == name), None)


async def refuse(scope: Scope, send: Send, why: Refused, *, close: bool = True) -> None:
    """A refusal as an answer.

    Args:
        scope: the request.
        send: to the client.
        why: what it is told.
        close: whether the connection ends, so that what the client still sends is not read.
    """
    try:
        request_id = request_id_of(scope)
    except Refused:
        request_id = ""
    body = orjson.dumps(why.body(request_id))
    told = {"content-type": "application/json", **({"connection": "close"} if close else {}), **why.headers()}
    headers = [(name.encode(), value.encode()) for name, value in told.items()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": why.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

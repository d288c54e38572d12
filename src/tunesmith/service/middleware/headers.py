"""Headers that every answer has: the request's id, and what keeps browsers from doing more than they should."""

from __future__ import annotations

from contextlib import suppress

from tunesmith.service.middleware.asgi import App, Message, Receive, Scope, Send
from tunesmith.service.problems import Refused
from tunesmith.service.request_id import request_id_of

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page at / asks for no more: files of ours alone, nothing inline."""
ALWAYS = {
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": CSP.encode(),
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=()",
    b"cache-control": b"no-store",
}
"""Where an answer does not say otherwise itself."""
HSTS = (b"strict-transport-security", b"max-age=31536000")


class Headers:
    """Adds ``x-request-id`` and the headers above to every answer; over TLS also ``strict-transport-security``."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with headers on the way back."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": with_headers(scope, list(message.get("headers", ())))}
            await send(message)

        await self._app(scope, receive, sent)


def with_headers(scope: Scope, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """An answer's headers, and what they lack."""
    there = {name.lower() for name, _ in headers}
    headers += [(name, value) for name, value in ALWAYS.items() if name not in there]
    if scope.get("scheme") == "https":
        headers.append(HSTS)
    if b"x-request-id" not in there:
        with suppress(Refused):  # the client's own id is what is wrong; it is not sent back
            headers.append((b"x-request-id", request_id_of(scope).encode("latin-1")))
    return headers

"""A body that is too large or comes too slowly is refused while it comes, not after it was read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tunesmith.service.middleware.asgi import App, Message, Receive, Scope, Send, header, refuse
from tunesmith.service.problems import Refused


class BodyLimit:
    """Bodies up to a size, in a time.

    A body has ``seconds`` and what its bytes take at ``rate``: a large file on a slow line comes through, a client
    that sends a byte a second to keep a connection busy does not.

    Args:
        app: what is inside.
        most: bytes that a request may have, by its scope.
        seconds: for the first byte of a body and some more.
        rate: bytes a second.
    """

    def __init__(
        self, app: App, most: Callable[[Scope], int], *, seconds: float = 20.0, rate: float = 16_384.0
    ) -> None:
        self._app, self._most, self._seconds, self._rate = app, most, seconds, rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by ``content-length`` at once; else count."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        most = self._most(scope)
        said = header(scope, b"content-length")
        if said is not None and said.isdigit() and int(said) > most:
            return await refuse(scope, send, _too_large(most))
        reading = _Reading(receive, send, most, self._seconds, self._rate)
        try:
            await self._app(scope, reading.receive, reading.send)
        except Exception:
            if reading.why is None:
                raise
        if reading.why is not None and not reading.started:
            await refuse(scope, send, reading.why)


class _Reading:
    """One request's body on its way in."""

    def __init__(self, receive: Receive, send: Send, most: int, seconds: float, rate: float) -> None:
        self._receive, self._send, self._most, self._seconds, self._rate = receive, send, most, seconds, rate
        self._read, self._whole = 0, False
        self._began = asyncio.get_running_loop().time()
        self.why: Refused | None = None
        self.started = False

    async def receive(self) -> Message:
        """The next part; into an application that reads on, the refusal is raised."""
        if self._whole:
            return await self._receive()  # only waits for the client to go
        if self.why is not None:
            raise self.why
        try:
            async with asyncio.timeout_at(self._began + self._seconds + self._read / self._rate):
                message = await self._receive()
        except TimeoutError:
            self.why = Refused(408, "slow_body", "The request's body came too slowly.")
            raise self.why from None
        self._read += len(message.get("body", b""))
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        if self._read > self._most:
            self.why = _too_large(self._most)
            raise self.why
        return message

    async def send(self, message: Message) -> None:
        """Nothing of an answer to half a body, unless it has begun before."""
        if self.why is not None and not self.started:
            return
        self.started = True
        await self._send(message)


def _too_large(most: int) -> Refused:
    return Refused(413, "too_large", f"The request's body is larger than {most:,} bytes.")

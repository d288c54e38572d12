"""Connections that open and then say nothing, or a header a minute (slowloris): no layer of ASGI sees these."""

from __future__ import annotations

import asyncio
from typing import Any

SECONDS = 10.0


def timed_protocol(seconds: float = SECONDS) -> type[asyncio.Protocol]:
    """A protocol for ``uvicorn.Config(http=...)`` whose connections must bring the head of a request in time."""
    base = _base()

    class Timed(base):  # type: ignore[misc, valid-type]
        """The same, with a clock that runs while a head is awaited or half there."""

        _clock: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._clock = self.loop.call_later(seconds, transport.abort)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()  # a whole head is there, and is being answered
            elif self._clock is None:
                self._clock = self.loop.call_later(seconds, self.transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _stop(self) -> None:
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None

    return Timed


def _base() -> Any:
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        return HttpToolsProtocol
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol

        return H11Protocol

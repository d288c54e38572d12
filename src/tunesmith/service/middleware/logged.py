"""A line in the request log for each request, with its status and how long it took."""

from __future__ import annotations

import time

from tunesmith.service.middleware.asgi import App, Message, Receive, Scope, Send
from tunesmith.service.problems import Refused
from tunesmith.service.request_id import request_id_of
from tunesmith.service.request_log import RequestLog, begin

QUIET = ("/healthz", "/readyz", "/metrics")
"""Asked by machines all day."""


class Logged:
    """Writes down every request but those of machines that watch."""

    def __init__(self, app: App, log: RequestLog) -> None:
        self._app, self._log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Measure around the application."""
        if scope["type"] != "http" or scope["path"] in QUIET:
            return await self._app(scope, receive, send)
        facts, began = begin(), time.perf_counter()
        facts |= {"at": round(time.time(), 3), "method": scope["method"], "path": scope["path"], "status": 499}

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts["status"] = message["status"]
            await send(message)

        try:
            facts["request_id"] = request_id_of(scope)
        except Refused:
            facts["request_id"] = ""
        try:
            await self._app(scope, receive, sent)
        finally:
            facts["seconds"] = round(time.perf_counter() - began, 6)
            self._log.write(facts)

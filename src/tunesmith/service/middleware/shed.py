"""Saying no while it is still cheap: where a product is overloaded its requests are refused before they are read.

A refusal must cost so little that ten times more requests than can be answered do not slow down those that are.
"""

from __future__ import annotations

from collections.abc import Callable

from tunesmith.service.middleware.asgi import App, Receive, Scope, Send, refuse
from tunesmith.service.problems import Refused

PREDICT = "/v1/predict/"


class Shed:
    """Refuses requests to products that have no room.

    Args:
        app: what is inside.
        full: (product) -> why it takes no more; None: it does, or there is no such product.
    """

    def __init__(self, app: App, full: Callable[[str], Refused | None]) -> None:
        self._app, self._full = app, full

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the path alone."""
        if scope["type"] == "http" and scope["path"].startswith(PREDICT):
            why = self._full(scope["path"][len(PREDICT) :])
            if why is not None:
                return await refuse(scope, send, why, close=False)
        await self._app(scope, receive, send)

"""Web pages of other origins: none, unless the catalog names them."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware

from tunesmith.service.middleware.asgi import App


def cors(app: App, origins: Sequence[str]) -> App:
    """The application as pages of these origins may call it.

    Credentials (cookies) are never allowed: keys travel in a header that the page sets itself.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["authorization", "content-type", "idempotency-key"],
        expose_headers=["x-request-id", "retry-after"],
        max_age=3600,
    )

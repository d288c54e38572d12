"""All layers, in one visible place: the first is the outermost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tunesmith.service.middleware.asgi import App, Scope
from tunesmith.service.middleware.body import BodyLimit
from tunesmith.service.middleware.cors import cors
from tunesmith.service.middleware.headers import Headers
from tunesmith.service.middleware.logged import Logged
from tunesmith.service.middleware.shed import Shed
from tunesmith.service.problems import Refused
from tunesmith.service.request_log import RequestLog

BODY = 8_000_000
"""Bytes that a request may have, files apart."""
FILES = "/v1/files"


def layered(
    app: App,
    *,
    body: int = BODY,
    file: int = BODY,
    origins: Sequence[str] = (),
    log: RequestLog | None = None,
    seconds: float = 20.0,
    full: Callable[[str], Refused | None] = lambda product: None,
) -> App:
    """The application inside its layers.

    Args:
        app: what answers.
        body: bytes that a request may have.
        file: the same for files that are uploaded.
        origins: web pages that may call.
        log: where requests are written down.
        seconds: that a body may take, and more for a large one.
        full: why a product takes no more requests.
    """

    def most(scope: Scope) -> int:
        return file if scope["path"].rstrip("/") == FILES else body

    inner: App = BodyLimit(app, most, seconds=seconds)
    if log is not None:
        inner = Logged(inner, log)
    return Headers(cors(Shed(inner, full), origins))

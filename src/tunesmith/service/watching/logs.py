"""The service's own log as JSON lines, each with the request that it is about."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from tunesmith.service.safety.redaction import safe

current: ContextVar[str] = ContextVar("tunesmith_request_id", default="")
"""The request that is being answered; empty between requests and in threads of their own."""


TRACE_PARENT: ContextVar[str | None] = ContextVar("tunesmith_traceparent", default=None)
"""The span of the client that asks, as its header says it."""


class JsonLines(logging.Formatter):
    """``{"at", "level", "logger", "message", "request_id", "error"}``; without keys and passwords."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := current.get():
            told["request_id"] = request
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps({key: safe(value, personal=True) for key, value in told.items()}, ensure_ascii=False)


def to_json_lines(level: int = logging.INFO) -> None:
    """Send every log of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        own = logging.getLogger(name)
        own.handlers[:], own.propagate = [], True

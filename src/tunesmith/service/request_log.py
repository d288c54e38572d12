"""The log of requests: JSON lines, off unless a path is named, bounded in size, without keys or personal data.

request_log: {path: requests.jsonl, megabytes: 64, files: 4, texts: true}
"""

from __future__ import annotations

import json
import logging
import os
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tunesmith.core.errors import RecipeError
from tunesmith.service.drain import Drain
from tunesmith.service.safety.redaction import safe

log = logging.getLogger(__name__)

FIELDS = (
    "at", "request_id", "key", "product", "version", "method", "path", "status", "seconds", "rows", "tokens",
    "code", "flags", "asked", "answered",
)  # fmt: skip
"""All that a line may hold. A header, a cookie or a query can never get into it."""

_noted: ContextVar[dict[str, Any] | None] = ContextVar("tunesmith_request", default=None)


class LogSettings(BaseModel):
    """Where requests are written down."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: Path
    megabytes: float = Field(default=64, gt=0)
    """Of one file, after which the next is begun."""
    files: int = Field(default=4, ge=1, le=100)
    """That are kept, this one counted: ``requests.jsonl``, ``requests.jsonl.1`` ..."""
    texts: bool = False
    """Whether a line holds what was asked and answered, too, without personal data."""


def begin() -> dict[str, Any]:
    """Facts about this request from here on; what ``note`` is given comes into it."""
    facts: dict[str, Any] = {}
    _noted.set(facts)
    return facts


def note(**facts: Any) -> None:
    """Tell the log of this request something; nothing happens where no log is kept."""
    noted = _noted.get()
    if noted is not None:
        noted.update(facts)


class RequestLog:
    """Lines in a file, written by a thread of its own.

    Args:
        settings: where, and how much.
        personal: whether personal data is taken out (keys are in any case).

    Raises:
        RecipeError: the file cannot be written.
    """

    def __init__(self, settings: LogSettings, *, personal: bool = True) -> None:
        self.settings = settings
        self._most = int(settings.megabytes * 1e6)
        self._personal = personal
        try:
            settings.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _opened(settings.path)
        except OSError as error:
            raise RecipeError(
                f"The request log cannot be written to {settings.path}: {error.strerror}.", "Name another path."
            ) from error
        self._stuck = False
        """Whether the last try to begin a file failed, which is said once."""
        self._drain: Drain[dict[str, Any]] = Drain(self._write, "request-log")

    @property
    def dropped(self) -> int:
        """Lines that were lost because the disk was too slow."""
        return self._drain.dropped

    def write(self, facts: dict[str, Any]) -> None:
        """Write down a request, soon."""
        self._drain.put(facts)

    def flush(self) -> None:
        """Wait until all is written."""
        self._drain.flush()

    def close(self) -> None:
        """Write what waits, and end."""
        self._drain.close()
        os.close(self._file)

    def _write(self, some: list[dict[str, Any]]) -> None:
        for facts in some:
            line = (json.dumps(self._line(facts), ensure_ascii=False, default=str) + "\n").encode("utf-8", "replace")
            if (size := os.fstat(self._file).st_size) and size + len(line) > self._most:
                self._rotate()
            os.write(self._file, line)

    def _line(self, facts: dict[str, Any]) -> dict[str, Any]:
        texts = () if self.settings.texts else ("asked", "answered")
        return {
            name: safe(facts[name], personal=self._personal) for name in FIELDS if name in facts and name not in texts
        }

    def _rotate(self) -> None:
        """Begin the next file; where that fails, go on with this one, whose number is let go last of all."""
        path = self.settings.path
        unborn = path.with_name(f"{path.name}.new")
        try:
            following = _opened(unborn)
        except OSError as error:
            return self._say(error)
        try:
            self._shift(path)
            os.replace(unborn, path)
        except OSError as error:
            os.close(following)
            return self._say(error)
        os.close(self._file)
        self._file, self._stuck = following, False

    def _shift(self, path: Path) -> None:
        for number in range(self.settings.files - 1, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
            if newer.exists():
                os.replace(newer, older)

    def _say(self, error: OSError) -> None:
        if not self._stuck:
            log.error("the next file of the request log cannot be begun (%s); it goes on with the old one", error)
        self._stuck = True


def _opened(path: Path) -> int:
    """Appended to by one write a line, and read by its owner alone."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

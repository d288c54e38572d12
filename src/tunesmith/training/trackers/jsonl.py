"""One JSON object a line: ``log.jsonl`` in the run's folder, and in the bundle."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import IO, Any, ClassVar

from tunesmith.core.contracts import Tracker


class Jsonl(Tracker):
    """``{"time", "step", "loss", ...}``; appended to, so that a resumed run goes on in the same file."""

    name: ClassVar[str] = "jsonl"
    summary: ClassVar[str] = "log.jsonl beside the run and in the bundle"

    def __init__(self) -> None:
        self._file: IO[str] | None = None

    def start(self, folder: str, run: Mapping[str, Any]) -> None:
        """Open the file."""
        self._file = Path(folder, "log.jsonl").open("a", encoding="utf-8")  # noqa: SIM115 - open as long as the run

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One line."""
        self._write({"step": step, **{key: value if isfinite(value) else None for key, value in values.items()}})

    def stage(self, name: str) -> None:
        """One line."""
        self._write({"stage": name})

    def finish(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None

    def _write(self, values: Mapping[str, Any]) -> None:
        if self._file:
            self._file.write(json.dumps({"time": round(time.time(), 3), **values}, ensure_ascii=False) + "\n")
            self._file.flush()

"""TensorBoard event files in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.core.contracts import Tracker
from tunesmith.core.extras import need

FOLDER = "tensorboard"
"""Of the run; the bundle gets a copy."""


class TensorBoard(Tracker):
    """Look with: ``tensorboard --logdir BUNDLE/tensorboard``; while it trains, RUN/tensorboard."""

    name: ClassVar[str] = "tensorboard"
    summary: ClassVar[str] = "TensorBoard event files"

    def __init__(self) -> None:
        self._writer: Any = None

    def start(self, folder: str, run: Mapping[str, Any]) -> None:
        """Open the event file."""
        need("tensorboard", extra="tensorboard", purpose="the tensorboard tracker")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(Path(folder, FOLDER)))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One point a figure."""
        for key, value in values.items():
            self._writer.add_scalar(key, value, step)

    def stage(self, name: str) -> None:
        """Write what waits before the bundle gets a copy."""
        if name == "save" and self._writer is not None:
            self._writer.flush()

    def finish(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()

"""A replica's place on its machine: the lowest number that no living process has."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from tunesmith.core.lock import locked


class Place:
    """Held until the process ends, however it ends: the kernel lets the lock go.

    Args:
        folder: that all replicas of a machine share.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in count():
            handle = os.open(folder / f"replica-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            if locked(handle):
                self.number, self._handle = number, handle
                return
            os.close(handle)

    def free(self) -> None:
        """Let another have it."""
        os.close(self._handle)

"""What is written stays written after a loss of power."""

from __future__ import annotations

import os
from pathlib import Path


def fsync(path: Path) -> None:
    """Make one file or folder durable.

    Windows opens no folders, and flushes only what is open for writing: there folders are left out.
    """
    windows = os.name == "nt"
    if windows and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

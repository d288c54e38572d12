from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.core import lock
from tunesmith.core.lock import FAR, locked


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT)


def test_one_has_it_until_it_is_closed(tmp_path: Path) -> None:
    one, other = opened(tmp_path / "a"), opened(tmp_path / "a")
    assert locked(one) and not locked(other)
    waiting = threading.Thread(target=lambda: locked(other, wait=True))
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    os.close(one)
    waiting.join(10)
    assert not waiting.is_alive() and not locked(opened(tmp_path / "a"))


def test_on_windows_it_is_a_byte_that_no_file_has(tmp_path: Path, monkeypatch: Any) -> None:
    """Against a stand-in for Windows' module: what it is asked, and at which place of the file."""
    asked: list[tuple[int, int, int]] = []
    says: list[Exception | None] = [None, PermissionError(13, "taken"), OSError(36, "waited"), None, OSError(9, "bad")]

    def locking(handle: int, how: int, size: int) -> None:
        asked.append((os.lseek(handle, 0, os.SEEK_CUR), how, size))
        if (error := says.pop(0)) is not None:
            raise error

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_LOCK=1, LK_NBLCK=2))
    monkeypatch.setattr(lock, "WINDOWS", True)
    handle = opened(tmp_path / "a")
    os.write(handle, b"12345")
    assert locked(handle) and not locked(handle) and locked(handle, wait=True)
    assert asked == [(FAR, 2, 1), (FAR, 2, 1), (FAR, 1, 1), (FAR, 1, 1)]
    with pytest.raises(OSError, match="bad"):
        locked(handle)
    assert os.lseek(handle, 0, os.SEEK_CUR) == 5 and os.path.getsize(tmp_path / "a") == 5


def test_a_service_loads_without_the_locks_of_unix() -> None:
    code = "import sys; sys.modules['fcntl'] = None\nimport tunesmith.service.run, tunesmith.service.metering.meter"
    code += ", tunesmith.service.jobs.runner, tunesmith.service.replicas.place, tunesmith.service.usage"
    subprocess.run([sys.executable, "-c", code], check=True)

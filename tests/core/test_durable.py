"""Files are flushed where the system can, by the one function that knows how."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tunesmith.core import durable


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As Windows does it: no handle of a folder, no flush of what is open for reading alone; what was flushed."""
    flushed: list[str] = []
    handles: dict[int, tuple[str, int]] = {}

    def opened(path: Path, flags: int) -> int:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        handle = os.open(path, flags)
        handles[handle] = (os.path.basename(path), flags)
        return handle

    def fsync(handle: int) -> None:
        name, flags = handles[handle]
        if flags & os.O_RDWR == 0:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flushed.append(name)

    fake = SimpleNamespace(name="nt", open=opened, fsync=fsync, close=os.close, O_RDWR=os.O_RDWR, O_RDONLY=os.O_RDONLY)
    monkeypatch.setattr(durable, "os", fake)
    return flushed


def test_a_checkpoint_on_windows(tmp_path: Path, windows: list[str]) -> None:
    torch = pytest.importorskip("torch")
    from tunesmith.training import checkpoint

    for step in (1, 2):
        checkpoint.write(tmp_path / "checkpoint", {"weights": {"w": torch.full((2,), float(step))}}, {"step": step})
    found = checkpoint.read(tmp_path / "checkpoint")
    assert found is not None and found[1] == {"step": 2}
    assert sorted(windows) == ["facts.json"] * 2 + ["weights.safetensors"] * 2


def test_a_bundle_on_windows(tmp_path: Path, windows: list[str]) -> None:
    from tunesmith.bundle.atomic import part_folder, put_in_place

    with part_folder(tmp_path / "b") as part:
        (part / "onnx").mkdir()
        (part / "onnx" / "a.json").write_text("{}", "utf-8")
        put_in_place(part, tmp_path / "b")
    assert windows == ["a.json"] and (tmp_path / "b" / "onnx" / "a.json").is_file()


def test_elsewhere_a_folder_is_flushed_too(tmp_path: Path) -> None:
    durable.fsync(tmp_path)
    with pytest.raises(FileNotFoundError):
        durable.fsync(tmp_path / "none")

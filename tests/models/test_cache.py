"""The cache: where it is, whole folders only, damage noticed, two processes at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tunesmith.core.errors import ModelError
from tunesmith.models import cache
from tunesmith.models.cache import STAMP, cache_folder, content_hash, file_hash, keep


def write(folder: Path, text: str = "word 词") -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "a.txt").write_text(text, "utf-8")


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "own"))
    assert cache_folder("models") == tmp_path / "own" / "models"
    monkeypatch.delenv("TUNESMITH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == tmp_path / "xdg" / "tunesmith"
    assert cache_folder().is_dir()


def test_unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cannot be written") as caught:
        cache_folder("models")
    assert "TUNESMITH_CACHE" in caught.value.hint


def test_made_once(tmp_path: Path) -> None:
    calls: list[Path] = []

    def make(folder: Path) -> None:
        calls.append(folder)
        write(folder)

    for _ in range(2):
        assert keep(tmp_path / "kept", "1", make) == tmp_path / "kept"
    assert len(calls) == 1
    assert (tmp_path / "kept" / "inner" / "a.txt").read_text("utf-8") == "word 词"
    assert not leftovers(tmp_path)


@pytest.mark.parametrize("damage", ["flip", "cut", "lose", "stamp"])
def test_damage_is_mended(tmp_path: Path, damage: str) -> None:
    folder = keep(tmp_path / "kept", "1", write)
    file = folder / "inner" / "a.txt"
    if damage == "flip":
        data = bytearray(file.read_bytes())
        data[0] ^= 1
        file.write_bytes(data)
    elif damage == "cut":
        file.write_bytes(b"")
    elif damage == "lose":
        file.unlink()
    else:
        (folder / STAMP).write_text("{")
    with pytest.warns(UserWarning, match="damaged"):
        keep(folder, "1", write)
    assert file.read_text("utf-8") == "word 词"
    assert not leftovers(tmp_path)


def test_another_key_makes_it_again(tmp_path: Path) -> None:
    folder = keep(tmp_path / "kept", "1", write)
    with pytest.warns(UserWarning, match="outdated"):
        keep(folder, "2", lambda fresh: write(fresh, "new"))
    assert (folder / "inner" / "a.txt").read_text() == "new"


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        write(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match="No space left"):
        keep(tmp_path / "kept", "1", fail)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir() and "kept" in path.name] == []


def test_what_a_dead_process_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".kept.dead").mkdir()
    keep(tmp_path / "kept", "1", write)
    assert not leftovers(tmp_path)


def test_a_lock_that_is_never_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    monkeypatch.setattr(cache, "WAIT_SECONDS", 0.1)
    with FileLock(tmp_path / "kept.lock"), pytest.raises(ModelError, match="Another process"):
        keep(tmp_path / "kept", "1", write)


def test_two_processes_make_it_once(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tunesmith.models.cache import keep\n"
        "log = Path(sys.argv[1], 'log')\n"
        "def make(folder):\n"
        "    with log.open('a') as file: file.write('made\\n')\n"
        "    time.sleep(0.5); (folder / 'a').write_text('whole')\n"
        "print((keep(Path(sys.argv[1], 'kept'), '1', make) / 'a').read_text())"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == ["whole", "whole"]
    assert (tmp_path / "log").read_text() == "made\n"


def test_hashes(tmp_path: Path) -> None:
    for name, text in (("a", "x"), ("b", "y")):
        (tmp_path / name).write_text(text)
    before = content_hash(tmp_path, ["a", "b"])
    assert before == content_hash(tmp_path, ["b", "a"]) != content_hash(tmp_path, ["a"])
    assert len(before) == len(file_hash(tmp_path / "a")) == 64
    (tmp_path / "a").write_text("y")
    (tmp_path / "b").write_text("x")
    assert content_hash(tmp_path, ["a", "b"]) != before

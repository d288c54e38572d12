"""A place is tried before the work, and holds all of a file or what it held."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tunesmith.cli import main
from tunesmith.core.errors import TunesmithError
from tunesmith.core.whole_file import whole_file


def test_it_appears_when_it_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "a.html"
    place.write_text("old", "utf-8")
    with pytest.raises(KeyError), whole_file(place) as file:
        file.write("half")
        raise KeyError
    assert place.read_text("utf-8") == "old" and os.listdir(tmp_path) == ["a.html"]
    (tmp_path / "link").symlink_to(place)
    with whole_file(tmp_path / "link") as file:
        file.write("新")
        assert place.read_text("utf-8") == "old"
    assert place.read_text("utf-8") == "新" and (tmp_path / "link").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["a.html", "link"]


def test_a_device_stays_one_and_what_is_read_fails_as_itself(tmp_path: Path) -> None:
    with whole_file(os.devnull) as file:
        file.write("gone")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "a"):
        (tmp_path / "absent").read_text("utf-8")
    with pytest.raises(TunesmithError, match="No space"), whole_file(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "verb",
    [
        ["evaluate", "bundle", "rows.csv", "--report", "nowhere/page.html"],
        ["evaluate", "bundle", "rows.csv", "--report", "."],
        ["scout", "rows.csv", "--report", "nowhere/page.html"],
        ["transcribe", "sounds", "--output", "nowhere/texts.jsonl"],
    ],
)
def test_the_place_is_tried_first(
    verb: list[str], capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def work(*_: Any, **__: Any) -> None:
        raise AssertionError("worked before the place was tried")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tunesmith.pipeline.measure.measured", work)
    monkeypatch.setattr("tunesmith.data.read.read", work)
    assert main(verb) == 2
    said = capsys.readouterr().err
    assert "cannot be written" in said and f"Name another {verb[-2]}" in said

"""The page on bundles is true: its Python runs, and what it says of messages is what is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tunesmith

SAID = [
    "was changed after it was written: expected sha256",
    "is missing;",
    "bytes; it was written with",
    "is not listed in",
    "is a model folder but no bundle",
    "reads formats up to",
    "The disk is full",
]
PAGE = Path(__file__).parents[2] / "docs" / "bundle.md"


def test_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    assert (tmp_path / "reviews" / "tunesmith.json").is_file()


def test_messages_of_the_page_are_in_the_code() -> None:
    folder = Path(tunesmith.__file__).parent / "bundle"
    code = " ".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    for part in SAID:
        assert part in code
        assert part in PAGE.read_text("utf-8")

"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import tunesmith

SOURCE = Path(tunesmith.__file__).parent
SHOWING = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if ">>> " in path.read_text("utf-8"))


@pytest.mark.parametrize("path", SHOWING, ids=str)
def test_the_examples_of_a_module_are_true(path: Path) -> None:
    parts = path.with_suffix("").parts
    module = importlib.import_module(".".join(("tunesmith", *(part for part in parts if part != "__init__"))))
    found = doctest.testmod(module)
    assert found.attempted and not found.failed

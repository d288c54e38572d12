from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunesmith.core.errors import ExtraMissing
from tunesmith.core.extras import need


def test_gives_the_module() -> None:
    assert need("json") is json


def test_names_the_extra() -> None:
    with pytest.raises(ExtraMissing) as caught:
        need("no_such_package", extra="excel", purpose="reading Excel files")
    assert caught.value.problem == "no_such_package is not installed; it is needed for reading Excel files."
    assert caught.value.hint == 'Run: pip install "tunesmith[excel]"'


def test_names_the_package_where_no_extra_holds_it() -> None:
    with pytest.raises(ExtraMissing, match="pip install scikit-learn"):
        need("no_such_package", package="scikit-learn")


def test_a_broken_package_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_inside.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExtraMissing, match="is installed but does not import.*no_such_dependency"):
        need("broken_inside")

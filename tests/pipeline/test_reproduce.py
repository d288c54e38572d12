"""Which figures of two runs agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith.bundle.layout import Manifest, MethodRecord, TaskRecord
from tunesmith.bundle.read import Bundle
from tunesmith.core.errors import BundleError
from tunesmith.pipeline.reproduce import reproduced, same

NAN = float("nan")


@pytest.mark.parametrize(
    ("then", "now", "agree"),
    [(0.5, 0.5 + 1e-9, True), (0.5, 0.51, False), (NAN, NAN, True), (0.5, NAN, False), (NAN, 0.5, False)],
)
def test_a_figure_that_is_defined_once_only_differs(then: float, now: float, agree: bool) -> None:
    assert same(then, now) is agree


@pytest.mark.parametrize(
    ("task", "hint"),
    [
        ("prompted-similarity", "tunesmith prompt out/x/recipe.yaml bundle=out/x-again --way similarity"),
        ("masked-lm", "tunesmith pretrain out/x/recipe.yaml bundle=out/x-again"),
    ],
)
def test_what_was_not_tuned_is_not_tuned_to_reproduce_it(task: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle(Path("out/x"), Manifest(TaskRecord(task), MethodRecord("full")))
    monkeypatch.setattr("tunesmith.pipeline.reproduce.read_bundle", lambda path: bundle)
    with pytest.raises(BundleError, match="only what was tuned is reproduced") as error:
        reproduced("out/x")
    assert hint in error.value.hint.replace("\\", "/")

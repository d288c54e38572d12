"""Texts that are asked are made as those were that were learned."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.bundle.cleaned import cleaning_of
from tunesmith.bundle.read import Bundle
from tunesmith.core.recipe import Recipe
from tunesmith.data.clean import clean
from tunesmith.data.rows import Rows

MESSY = [" cafÃ© time\u200b", "cafe\u0301\x00", "a\r\nb ", "right é already", "", "call 13812345678", "宁静 ）："]


def asked(task: str, data: dict[str, Any], **parts: str) -> Any:
    inner = {name: SimpleNamespace(name=kind) for name, kind in parts.items()}
    return cleaning_of(SimpleNamespace(name=task, parts=inner), data)  # type: ignore[arg-type]


@pytest.mark.parametrize("redact", [False, True])
def test_as_training_rows_are(redact: bool) -> None:
    options = {"normalise": True, "redact": redact}
    rows = Rows.of([{"text": f"x{text}", "label": str(i)} for i, text in enumerate(MESSY)])
    learned, _ = clean(rows, {"text": "text", "label": "label"}, **options)
    made = asked("text-classification", {"clean": options})
    assert [made({"text": f"x{text}"})["text"] for text in MESSY] == learned.column("text").to_pylist()


def test_texts_with_places_and_files_of_no_recipe_stay() -> None:
    on, off = {"clean": {"normalise": True}}, {"clean": {"normalise": False}}
    assert asked("token-classification", on) is None and asked("extractive-qa", on) is None
    assert asked("text-classification", off) is None and asked("text-classification", {}) is None
    parts = {"parts": {"mood": on, "topic": on}}
    assert asked("mixture", parts, mood="text-classification", topic="text-classification") is not None
    assert asked("mixture", parts, mood="text-classification", topic="token-classification") is None


def test_a_bundle_answers_what_its_test_rows_measured(bundle: Bundle) -> None:
    assert bundle.recipe.data.clean.normalise
    clean_ones, messy = ["a good film", "房间很好"], ["a good film", "房间很好".encode().decode("latin-1")]
    assert bundle.predictor().clean is not None
    assert bundle.predict(messy) == bundle.predict(clean_ones)
    whole = Recipe.model_validate({"data": {"path": "a.csv", "clean": {"redact": True}}}).model_dump()
    found = cleaning_of(bundle.task, whole["data"])
    assert found is not None and found({"text": "13812345678 !"}) == {"text": "[PHONE] !"}

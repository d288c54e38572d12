"""Tiny tokenizers of three families, which know English and Chinese."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith import testing
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve

TEXTS = [row["text"] for language in ("en", "zh") for row in testing.toy_rows(language, 60)]


@pytest.fixture(scope="session", params=["bert", "distilbert", "roberta"])
def processor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    make = getattr(testing, f"tiny_{request.param}")
    return load_processor(resolve(str(make(tmp_path_factory.mktemp(request.param) / "model", texts=TEXTS))))


@pytest.fixture(scope="session")
def bert_processor(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_processor(resolve(str(testing.tiny_bert(tmp_path_factory.mktemp("b") / "model", texts=TEXTS))))

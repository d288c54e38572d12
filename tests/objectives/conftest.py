"""Tiny models and a corpus of a few documents, English and Chinese."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith import testing

CORPUS = {language: testing.toy_documents(language, 40) for language in ("en", "zh")}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    place = tmp_path_factory.mktemp("objective-models")

    def made(kind: str) -> Path:
        path: Path = getattr(testing, f"tiny_{kind}")(place / kind, texts=[*CORPUS["en"], *CORPUS["zh"]])
        return path

    return made


@pytest.fixture
def processor(folder: Callable[[str], Path]) -> Callable[[str], Any]:
    from tunesmith.models.load import load_processor
    from tunesmith.models.reference import resolve

    return lambda kind: load_processor(resolve(str(folder(kind))))

"""Tiny models with a head that is not nearly zero, and the toy rows as features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunesmith import testing
from tunesmith.tasks.text_classification import TextClassification

ROWS = {language: testing.toy_rows(language, 64) for language in ("en", "zh")}
TEXTS = [row["text"] for rows in ROWS.values() for row in rows]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    place = tmp_path_factory.mktemp("models")

    def made(kind: str) -> Path:
        path: Path = getattr(testing, f"tiny_{kind}")(place / kind, texts=TEXTS, hidden=64, intermediate=128)
        return path

    return made


@pytest.fixture
def task() -> TextClassification:
    made = TextClassification()
    made.learn(ROWS["en"])
    return made


@pytest.fixture
def model(folder: Callable[[str], Path], task: TextClassification) -> Callable[..., Any]:
    """(kind, pooling) -> a fresh model for two classes."""
    import torch

    from tunesmith.models.build import build
    from tunesmith.models.heads import output_layer
    from tunesmith.models.reference import resolve

    def made(kind: str = "bert", pooling: Any = "auto", seed: int = 1) -> Any:
        torch.manual_seed(seed)
        built = build(resolve(str(folder(kind))), task, pooling=pooling)
        with torch.no_grad():
            output_layer(built).weight.normal_(0, 0.3)
        return built

    return made

"""Tiny models of several families and texts in two languages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from toy_models import MAKERS, TEXTS  # noqa: E402


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    texts = [*TEXTS["en"], *TEXTS["zh"]]
    return {name: make(place / name, texts=texts, layers=4, heads=4) for name, make in MAKERS.items()}


@pytest.fixture
def classifier(folders: dict[str, Path]) -> Callable[[str], Any]:
    """Family -> a classifier of two labels with a fixed head, in eval mode."""
    from transformers import AutoModelForSequenceClassification

    def make(family: str) -> Any:
        torch.manual_seed(3)
        model = AutoModelForSequenceClassification.from_pretrained(folders[family], num_labels=2).eval()
        for parameter in model.parameters():  # transformers starts weights so small that nothing would show
            if parameter.ndim == 2:
                parameter.data.mul_(4)
        return model

    return make


@pytest.fixture
def processor(folders: dict[str, Path]) -> Callable[[str], Any]:
    from transformers import AutoTokenizer

    return lambda family: AutoTokenizer.from_pretrained(folders[family])


@pytest.fixture
def batches(processor: Callable[[str], Any]) -> Callable[[str], list[dict[str, torch.Tensor]]]:
    """Family -> four batches of eight texts, half Chinese, with labels; padded."""

    def make(family: str) -> list[dict[str, torch.Tensor]]:
        texts = [text for pair in zip(TEXTS["en"], TEXTS["zh"], strict=True) for text in pair][:32]
        made = []
        for i in range(0, 32, 8):
            batch = dict(processor(family)(texts[i : i + 8], return_tensors="pt", padding=True))
            made.append({**batch, "labels": torch.arange(8) % 2})
        return made

    return make

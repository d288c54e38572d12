"""A tiny run: model, features, settings and the loop over them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.core.runtime import Machine, seed_everything
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.testing import tiny_bert, toy_rows
from tunesmith.training.kernels import fast_training
from tunesmith.training.loop import LoopSettings, Trained, train
from tunesmith.training.optim import OptimizerSettings

sys.path.insert(0, str(Path(__file__).parent))

ROWS = toy_rows("en", 40) + [
    {**row, "label": {"消极": "negative", "积极": "positive"}[row["label"]]} for row in toy_rows("zh", 24)
]
ROWS = [{**row, "group": "ab"[i % 3 == 0]} for i, row in enumerate(ROWS)]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models") / "bert"
    return tiny_bert(place, texts=[row["text"] for row in ROWS])


@dataclass
class Run:
    """What ``train`` is given; ``go`` makes a fresh model and trains it."""

    folder: Path
    home: Path
    task: TextClassification = field(default_factory=TextClassification)
    precision: str = "fp32"

    def __post_init__(self) -> None:
        self.task.learn(ROWS)
        self.reference = resolve(str(self.folder))
        self.processor = load_processor(self.reference)
        self.features = self.task.encode(ROWS, self.processor, max_length=48, targets=True)
        self.model: Any = None

    def settings(self, **changes: Any) -> LoopSettings:
        values: dict[str, Any] = {"epochs": 2, "batch_size": 8, "optimizer": OptimizerSettings(2e-3)}
        return LoopSettings(**{**values, **changes})

    def fresh(self, dropout: float = 0.1) -> Any:
        seed_everything(5)
        model = build(self.reference, self.task)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = dropout
        return model

    def go(
        self,
        settings: LoopSettings | None = None,
        *,
        name: str = "run",
        dropout: float = 0.1,
        fast: bool = False,
        model: Any = None,
        **options: Any,
    ) -> Trained:
        self.model = model if model is not None else self.fresh(dropout)
        used = torch.cat([torch.from_numpy(f["input_ids"]) for f in self.features]).long()
        machine = Machine("cpu", self.precision, 1)
        arguments = (self.model, self.task, self.processor, self.features, settings or self.settings(), machine)
        (self.home / name).mkdir(exist_ok=True)
        options.setdefault("rows", ROWS)
        if not fast:
            return train(*arguments, self.home / name, **options)
        with fast_training(self.model, used, "cpu"):
            return train(*arguments, self.home / name, **options)

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: p.detach().clone() for name, p in self.model.named_parameters()}

    def right(self) -> float:
        batch = tensors(self.task.collate(self.features, self.processor))
        with torch.no_grad():
            found = self.model.eval()(**{k: v for k, v in batch.items() if k != "labels"}).logits.argmax(-1)
        return float((found == batch["labels"]).float().mean())


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Run:
    return Run(folder, tmp_path)


@pytest.fixture
def same() -> Callable[[dict[str, torch.Tensor], dict[str, torch.Tensor]], bool]:
    def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
        return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)

    return equal

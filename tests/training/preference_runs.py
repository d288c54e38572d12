"""A tiny causal model, a task that writes, and pairs of answers in English and Chinese; the loop over them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))

from sketches import EchoTask

from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine, seed_everything
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.testing import toy_rows
from tunesmith.training.loop import LoopSettings, Trained, train
from tunesmith.training.optim import OptimizerSettings

WORDS = {
    "positive": ("great", "so bad"),
    "negative": ("awful", "nice"),
    "积极": ("很好", "差"),
    "消极": ("很差", "真好"),
}
ROWS = [
    {"text": row["text"], "target": WORDS[row["label"]][0], "rejected": WORDS[row["label"]][1]}
    for language in ("en", "zh")
    for row in toy_rows(language, 12)
]
TALKS = [
    {
        "messages": [{"role": "user", "content": row["text"]}, {"role": "assistant", "content": row["target"]}],
        "rejected": row["rejected"],
    }
    for row in ROWS
]
TEXTS = [word for row in ROWS for word in row.values()]


class Run:
    """What ``train`` is given; ``go`` makes a fresh model and trains it."""

    def __init__(
        self, folder: Path, home: Path, rows: list[dict[str, Any]] = ROWS, precision: str = "fp32", task: Any = None
    ) -> None:
        self.rows, self.home, self.precision = rows, home, precision
        self.task: Any = task or EchoTask()
        self.task.learn(rows)
        self.reference = resolve(str(folder))
        self.processor = self.task.adapt(load_processor(self.reference))
        self.model: Any = None

    def encode(self, rows: Any) -> Any:
        return self.task.encode(rows, self.processor, max_length=64, targets=True)

    def fresh(self, method: str = "full") -> Any:
        seed_everything(5)
        made = family("methods").make(method)
        self.processor = made.adapt(self.task.adapt(load_processor(self.reference)))
        return made.apply(build(self.reference, self.task), self.task)

    def settings(self, **changes: Any) -> LoopSettings:
        values: dict[str, Any] = {"epochs": 4, "batch_size": 6, "optimizer": OptimizerSettings(3e-3), "best": "x"}
        return LoopSettings(**{**values, **changes})

    def go(
        self, settings: LoopSettings | None = None, *, name: str = "run", method: str = "full", **options: Any
    ) -> Trained:
        self.model = self.fresh(method)
        (self.home / name).mkdir(exist_ok=True)
        return train(
            self.model, self.task, self.processor, self.encode(self.rows), settings or self.settings(),
            Machine("cpu", self.precision, 1), self.home / name,
            encode=self.encode, rows=self.rows, **options,
        )  # fmt: skip

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: p.detach().clone() for name, p in self.model.named_parameters()}

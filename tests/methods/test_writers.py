"""Methods on models that write: what learns, what merges to a plain model, what comes back, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.bundle.layout import Lineage, Manifest, MethodRecord, TaskRecord
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import read_bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.bundle.write import write_bundle, write_model
from tunesmith.core.contracts import Method
from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine, seed_everything
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.testing import tiny_llama, tiny_t5, toy_talks
from tunesmith.training.kernels import fast_training
from tunesmith.training.loop import LoopSettings, train
from tunesmith.training.optim import OptimizerSettings

REFUSED = {
    ("t5", "head"): "reads one vector",
    ("llama", "head"): "reads one vector",
    ("t5", "bitfit"): "it trains biases, and this kind of model has none",
    ("llama", "bitfit"): "it trains biases, and this kind of model has none",
    ("llama", "prompt"): "the prompts of a causal model are laid out without it",
    ("llama", "p_tuning"): "the prompts of a causal model are laid out without it",
}
"""Kind of model and method -> why it cannot be."""
RATES = {"full": 4e-3, "freeze": 1e-2, "oft": 1e-2, "adalora": 3e-2} | dict.fromkeys(
    ("ia3", "prompt", "prefix", "p_tuning"), 3e-2
)
PAIRS = [
    {"text": f"the {what} is {how}", "target": f"{how} ist das {what}"}
    for what in ("dog", "cat", "house") for how in ("red", "old", "big", "small")
]  # fmt: skip
KINDS = {
    "t5": (tiny_t5, "translation", PAIRS, [text for row in PAIRS for text in row.values()]),
    "llama": (tiny_llama, "dialogue", toy_talks("en", 12), None),
}


class Made:
    """A task, a method and their model, before training."""

    def __init__(self, kind: str, method: str, place: Path) -> None:
        make, task, self.rows, texts = KINDS[kind]
        said = texts or [f"<|{m['role']}|>\n{m['content']}" for row in self.rows for m in row["messages"]]
        reference = resolve(str(make(place / "model", texts=said)))
        self.task = family("tasks").make(task)
        self.task.learn(self.rows)
        self.method: Method = family("methods").make(method)
        self.processor = self.task.adapt(load_processor(reference))
        seed_everything(3)
        self.model: Any = build(reference, self.task)
        if why := self.method.fits(self.task, self.model.config):
            pytest.skip(why)
        self.processor = self.method.adapt(self.processor)
        self.adapted: Any = self.method.apply(self.model, self.task)

    def features(self) -> Any:
        return self.task.encode(self.rows, self.processor, max_length=120, targets=True)

    def loss(self, model: Any) -> float:
        batch = tensors(self.task.collate(self.features(), self.processor))
        with torch.no_grad():
            return float(self.task.loss(self.task.forward(model.eval(), batch), batch))

    def written(self, model: Any) -> list[str]:
        predictor = Predictor(self.task, self.processor, TorchRuntime(model), max_length=120)
        return [one["text"] for one in predictor.predict(self.rows[:6])]


CASES = [(kind, name) for kind in KINDS for name in sorted(family("methods")) if (kind, name) not in REFUSED]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_it_learns_merges_and_comes_back(kind: str, name: str, tmp_path: Path) -> None:
    made = Made(kind, name, tmp_path)
    free = {n: p.detach().clone() for n, p in made.adapted.named_parameters() if p.requires_grad}
    assert free, "something learns"
    before = made.loss(made.adapted)
    features = made.features()
    used = torch.from_numpy(made.task.token_ids(features)).long()
    settings = LoopSettings(10, 6, OptimizerSettings(RATES.get(name, 2e-2)), patience=None)
    with fast_training(made.adapted, used, "cpu"):
        train(made.adapted, made.task, made.processor, features, settings, Machine("cpu", "fp32", 1), tmp_path / "run",
              strategies=made.method.strategies())  # fmt: skip
    after = made.loss(made.adapted)
    assert after < before - 0.02, f"{before} to {after}"
    wrote = made.written(made.adapted)
    folder = tmp_path / "adapter"
    folder.mkdir()
    kept = made.method.save_adapter(made.adapted, str(folder), "base")
    merged = made.method.merge(made.adapted)
    grown = name in ("prompt", "p_tuning")  # new tokens are candidates, too; they are never written
    assert made.loss(merged) == pytest.approx(after, abs=0.5 if grown else 2e-3)
    assert made.written(merged) == wrote, "generation, with its cache, sees the same model"
    if made.method.plain:
        manifest = Manifest(
            task=TaskRecord(made.task.name, {}, made.task.state), method=MethodRecord(name), recipe={},
            lineage=Lineage("tiny"), max_length=120,
        )  # fmt: skip
        write_bundle(tmp_path / "b", fill=lambda part: write_model(part, merged, made.processor), manifest=manifest)
        rows = made.rows[:6]
        again = read_bundle(tmp_path / "b").predictor(device="cpu").predict(rows)
        assert [one["text"] for one in again] == wrote
    else:
        assert kept, "what is not plain is kept apart"


@pytest.mark.parametrize(("kind", "name"), list(REFUSED))
def test_refused_with_a_reason(kind: str, name: str, tmp_path: Path) -> None:
    from tunesmith.core.errors import RecipeError
    from tunesmith.models.load import load_config
    from tunesmith.pipeline.plan import _fits

    make, task, rows, texts = KINDS[kind]
    config = load_config(resolve(str(make(tmp_path / "model", texts=texts or ["a b"]))))
    method = family("methods").make(name)
    if name == "head":  # by the plan: no weights are known of yet
        with pytest.raises(RecipeError, match="reads one vector"):
            _fits(method, family("tasks").make(task))
    else:
        assert REFUSED[kind, name] in (method.fits(family("tasks").make(task), config) or "")


def test_trained_tokens_stand_before_texts_and_not_before_targets(tmp_path: Path) -> None:
    made = Made("t5", "prompt", tmp_path)
    plain = Made("t5", "full", tmp_path)
    for one, other in zip(made.features(), plain.features(), strict=True):
        assert np.array_equal(one["target"], other["target"])
        assert len(one["input_ids"]) > len(other["input_ids"])

"""Methods on an encoder-decoder that writes: what learns, merges, comes back, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith import tune
from tunesmith.bundle.layout import Lineage, Manifest, MethodRecord, TaskRecord
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.bundle.write import write_bundle, write_model
from tunesmith.core.contracts import Method
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine, seed_everything
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.testing import tiny_t5
from tunesmith.training.kernels import fast_training
from tunesmith.training.loop import LoopSettings, train
from tunesmith.training.optim import OptimizerSettings

REFUSED = {
    "head": "reads one vector",
    "bitfit": "it trains biases, and this kind of model has none",
}
"""Method -> why it cannot be."""
RATES = {"full": 4e-3, "freeze": 1e-2, "oft": 1e-2, "adalora": 3e-2} | dict.fromkeys(
    ("ia3", "prompt", "prefix", "p_tuning"), 3e-2
)
PAIRS = [
    {"text": f"the {what} is {how}", "target": f"{how} ist das {what}"}
    for what in ("dog", "cat", "house") for how in ("red", "old", "big", "small")
]  # fmt: skip


def tiny(place: Path) -> Path:
    return tiny_t5(place / "model", texts=[text for row in PAIRS for text in row.values()])


class Made:
    """A task, a method and their model, before training."""

    def __init__(self, method: str, place: Path) -> None:
        reference = resolve(str(tiny(place)))
        self.task = family("tasks").make("translation")
        self.task.learn(PAIRS)
        self.method: Method = family("methods").make(method)
        self.processor = self.task.adapt(load_processor(reference))
        seed_everything(3)
        self.model: Any = build(reference, self.task)
        if why := self.method.fits(self.task, self.model.config):
            pytest.skip(why)
        self.processor = self.method.adapt(self.processor)
        self.adapted: Any = self.method.apply(self.model, self.task)

    def features(self) -> Any:
        return self.task.encode(PAIRS, self.processor, max_length=120, targets=True)

    def loss(self, model: Any) -> float:
        batch = tensors(self.task.collate(self.features(), self.processor))
        with torch.no_grad():
            return float(self.task.loss(self.task.forward(model.eval(), batch), batch))

    def written(self, model: Any) -> list[str]:
        predictor = Predictor(self.task, self.processor, TorchRuntime(model), max_length=120)
        return [one["text"] for one in predictor.predict(PAIRS[:6])]


@pytest.mark.parametrize("name", sorted(set(family("methods")) - set(REFUSED)))
def test_it_learns_merges_and_comes_back(name: str, tmp_path: Path) -> None:
    made = Made(name, tmp_path)
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
    assert made.loss(merged) == pytest.approx(after, abs=2e-3)
    assert made.written(merged) == wrote, "generation, with its cache, sees the same model"
    if made.method.plain:
        manifest = Manifest(
            task=TaskRecord(made.task.name, {}, made.task.state), method=MethodRecord(name), recipe={},
            lineage=Lineage("tiny"), max_length=120,
        )  # fmt: skip
        write_bundle(tmp_path / "b", fill=lambda part: write_model(part, merged, made.processor), manifest=manifest)
        rows = PAIRS[:6]
        again = read_bundle(tmp_path / "b").predictor(device="cpu").predict(rows)
        assert [one["text"] for one in again] == wrote
    else:
        assert kept, "what is not plain is kept apart"


def tuned(name: str, place: Path, *more: str) -> Bundle:
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS), "utf-8")
    return tune(
        str(place / "rows.jsonl"), "task=translation", f"method={name}", f"model={tiny(place)}",
        f"bundle={place / 'b'}", "training.max_steps=3", "training.trackers=[]", "evaluation.resamples=100",
        "evaluation.baselines=false", "data.split.near_duplicates=false", "training.threads=1",
        "training.precision=fp32", *more,
    )  # fmt: skip


@pytest.mark.parametrize(
    "given", [("prefix",), ("prompt",), ("p_tuning",), ("adapter", "method.placement=houlsby"), ("lora",)], ids="-".join
)
def test_it_lives_in_a_bundle(given: tuple[str, ...], tmp_path: Path) -> None:
    bundle = tuned(given[0], tmp_path, *given[1:])
    assert bundle.report["parity"][0]["passed"], "a fresh process has written the same"
    assert bundle.report["metrics"]["perplexity"]["value"] > 1
    assert bundle.predict(PAIRS[0]["text"]) == read_bundle(bundle.path).predict(PAIRS[0]["text"])


@pytest.mark.parametrize(("name", "why"), list(REFUSED.items()))
def test_refused_with_a_reason_before_anything_loads(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=why):
        tuned(name, tmp_path)


def test_trained_tokens_stand_before_texts_and_not_before_targets(tmp_path: Path) -> None:
    made, plain = Made("prompt", tmp_path), Made("full", tmp_path)
    for one, other in zip(made.features(), plain.features(), strict=True):
        assert np.array_equal(one["target"], other["target"])
        assert len(one["input_ids"]) > len(other["input_ids"])

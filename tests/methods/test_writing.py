"""Every method on models that write: what is trained, what merging does to answers, what reloads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.bundle.parity import RELOAD, compare
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import RecipeError
from tunesmith.core.registry import family
from tunesmith.core.runtime import seed_everything
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.dialogue import Dialogue
from tunesmith.testing import toy_talks

METHODS = sorted(set(family("methods")) - {"head"})
QUICK = (
    "training.epochs=2", "training.batch_size=8", "training.trackers=[]", "evaluation.resamples=100",
    "evaluation.baselines=false", "data.split.near_duplicates=false", "data.clean.duplicates=false",
    "model.max_length=160", "task.max_new_tokens=5", "training.threads=1", "training.precision=fp32",
)  # fmt: skip
ROWS = toy_talks("en", 40)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("name", METHODS)
def test_the_output_layer_stays_and_merging_changes_no_answer(
    folder: Callable[[str], Path], name: str, kind: str
) -> None:
    task, method, reference = Dialogue(), family("methods").make(name), resolve(str(folder(kind)))
    task.learn(ROWS)
    processor = method.adapt(task.adapt(load_processor(reference)))
    seed_everything(1)
    model = build(reference, task)
    if why := method.fits(task, model.config):
        pytest.skip(why)
    adapted = method.apply(model, task)
    shared = {id(p) for p in (model.get_output_embeddings().weight, model.get_input_embeddings().weight)}
    trained = [p for p in adapted.parameters() if p.requires_grad]
    assert trained and (name == "full" or not any(id(p) in shared for p in trained))
    features = task.encode(ROWS[:6], processor, max_length=160, targets=True)
    batch = tensors(task.collate(features, processor))

    def loss(module: Any) -> float:
        with torch.no_grad():
            return float(task.loss(task.forward(module.eval(), batch), batch))

    before = loss(adapted)
    with torch.no_grad():
        for parameter in trained:
            parameter.add_(torch.randn_like(parameter) * 0.1)
    after = loss(adapted)
    assert abs(after - before) > 1e-4
    merged = method.merge(adapted)
    assert loss(merged) == pytest.approx(after, abs=1e-4)
    assert merged.get_output_embeddings().weight.shape[0] == model.config.vocab_size


@pytest.fixture
def tuned(folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bundle]:
    """(method, kind of model) -> a bundle of a dialogue, reloaded and compared in this process."""
    from tunesmith import tune

    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))

    def prove(part: Path, rows: Any, arrays: Any, predictions: Any, tokens: Any) -> Any:
        bundle = read_bundle(part)
        features, again = bundle.predictor(device="cpu").outputs(rows)
        found = compare(RELOAD, arrays, again, predictions, bundle.task.decode(again, features))
        assert found.passed, found
        return found

    monkeypatch.setattr("tunesmith.pipeline.save.prove_reload", prove)

    def go(method: str, kind: str = "llama", *options: str) -> Bundle:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
        given = (f"method={method}", f"model={folder(kind)}", f"bundle={tmp_path / 'out'}", *options)
        return tune(str(path), *given, *QUICK)

    return go


@pytest.mark.parametrize("name", METHODS)
def test_it_lives_in_a_bundle(tuned: Callable[..., Bundle], name: str) -> None:
    if name == "bitfit":
        with pytest.raises(RecipeError, match="has none"):
            tuned(name)
        return
    bundle = tuned(name)
    assert bundle.report["metrics"]["perplexity"]["value"] > 1
    predictions = bundle.predict(ROWS[:3])
    assert read_bundle(bundle.path).predict(ROWS[:3]) == predictions
    if (bundle.path / "config.json").is_file():
        from transformers import pipeline

        pipe = pipeline("text-generation", model=str(bundle.path))
        asked = ROWS[1]["messages"][:-1]
        text = pipe(asked, max_new_tokens=5, do_sample=False)[0]["generated_text"][-1]["content"]
        assert text.strip() == predictions[1]["text"]


def test_a_head_alone_is_refused(tuned: Callable[..., Bundle]) -> None:
    with pytest.raises(RecipeError, match="method=head needs a task whose head reads one vector"):
        tuned("head")

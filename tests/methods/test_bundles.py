"""Methods through the whole path: what reloads alone, what transformers reads, what it refuses to read."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith.bundle.parity import RELOAD, compare
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import RecipeError
from tunesmith.testing import toy_rows

QUICK = (
    "training.epochs=2", "training.trackers=[]", "evaluation.resamples=100", "evaluation.baselines=false",
    "data.split.near_duplicates=false", "model.max_length=48",
)  # fmt: skip


@pytest.fixture
def tuned(folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bundle]:
    """(method, kind of model, language) -> a bundle, reloaded and compared in this process."""
    from tunesmith import tune

    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path / "cache"))

    def prove(part: Path, rows: Any, arrays: Any, predictions: Any, tokens: Any) -> Any:
        bundle = read_bundle(part)
        features, again = bundle.predictor(device="cpu").outputs(rows)
        found = compare(RELOAD, arrays, again, predictions, bundle.task.decode(again, features))
        assert found.passed, found
        return found

    monkeypatch.setattr("tunesmith.pipeline.save.prove_reload", prove)

    def go(method: str, *options: str, kind: str = "bert", language: str = "en") -> Bundle:
        with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows(toy_rows(language, 80))
        given = (f"method={method}", *options, f"model={folder(kind)}", f"bundle={tmp_path / 'out'}")
        return tune(str(tmp_path / "rows.csv"), *given, *QUICK)

    return go


def test_qlora_never_has_the_whole_model_on_its_device(
    tuned: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes")
    from tunesmith.methods.few_bits import FewBits
    from tunesmith.pipeline import run as module

    moved: list[bool] = []
    measured: list[bool] = []
    to, real = torch.nn.Module.to, module.TorchRuntime.__init__

    def whole(self: Any, *args: Any, **options: Any) -> Any:
        if hasattr(self, "config"):
            moved.append(rounded(self))
        return to(self, *args, **options)

    def rounded(model: Any) -> bool:
        return any(isinstance(m, FewBits) for m in model.modules())

    def spied(self: Any, model: Any, *args: Any, **options: Any) -> None:
        measured.append(rounded(model))
        real(self, model, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.Module, "to", whole)
        patch.setattr(module.TorchRuntime, "__init__", spied)
        patch.setattr(module, "save", lambda plan, model, *a, **o: rounded(model))
        saved: Any = tuned("qlora", "evaluation.baselines=true", "training.max_steps=1", "data.limit=40")
    assert moved and all(moved) and measured and all(measured), "before, while and after it learns"
    assert saved is False, "what is saved is in full precision"


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "llama"])
@pytest.mark.parametrize("method", ["prompt", "adapter"])
def test_transformers_alone_reads_prompts_and_parallel_adapters(
    tuned: Callable[..., Bundle], method: str, kind: str
) -> None:
    from transformers import pipeline

    bundle = tuned(method, kind=kind)
    texts = ["The room was great.", "房间很好"]
    theirs = pipeline("text-classification", model=str(bundle.path), top_k=None)(texts)
    for ours, scores in zip(bundle.predict(texts), theirs, strict=True):
        for score in scores:
            assert score["score"] == pytest.approx(ours["scores"][score["label"]], abs=1e-4)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("method", [("prefix",), ("adapter", "method.placement=houlsby")])
def test_what_cannot_be_merged_is_kept_apart(
    tuned: Callable[..., Bundle], method: tuple[str, ...], language: str
) -> None:
    from transformers import AutoModelForSequenceClassification

    bundle = tuned(*method, language=language)
    assert not (bundle.path / "config.json").exists() and not (bundle.path / "model.safetensors").exists()
    assert (bundle.path / "base" / "config.json").is_file() and (bundle.path / "adapter" / "adapter.json").is_file()
    with pytest.raises((OSError, ValueError)):
        AutoModelForSequenceClassification.from_pretrained(bundle.path)
    card = (bundle.path / "README.md").read_text("utf-8")
    assert "alone it gives other answers" in card and "from transformers import" not in card
    again = read_bundle(bundle.path)
    assert again.predict(["great"]) == bundle.predict(["great"])


@pytest.mark.parametrize(
    ("method", "kind", "why"),
    [
        ("bitfit", "llama", "has none"),
        ("bitfit", "t5", "has none"),
        ("oft", "gpt2", "Conv1D"),
        ("qlora", "gpt2", "Conv1D"),
    ],
)
def test_what_does_not_fit_is_refused_before_weights_load(
    tuned: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch, method: str, kind: str, why: str
) -> None:
    monkeypatch.setattr("tunesmith.models.build.build", lambda *_, **__: pytest.fail("weights were loaded"))
    with pytest.raises(RecipeError, match=why) as caught:
        tuned(method, kind=kind)
    assert f"method={method}" in str(caught.value)


def test_peft_is_not_named_where_it_cannot_read(tuned: Callable[..., Bundle]) -> None:
    assert "PeftModel" not in (tuned("prefix").path / "README.md").read_text("utf-8")


def test_a_prompted_bundle_can_be_tuned_again(tuned: Callable[..., Bundle], tmp_path: Path) -> None:
    from tunesmith import tune

    first = tuned("prompt", "method.length=3")
    given = (f"model={first.path}", "method=prompt", "method.length=2", f"bundle={tmp_path / 'second'}")
    second = tune(str(tmp_path / "rows.csv"), *given, *QUICK)
    ids = second.processor("a")["input_ids"]
    assert len(ids) == len(first.processor("a")["input_ids"]) + 2 and torch.tensor(ids).unique().numel() == len(ids)

"""A backbone with a task's head on it, pooled as the original was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tunesmith import testing
from tunesmith.core.errors import ModelError
from tunesmith.models.build import build
from tunesmith.models.heads import mean, output_layer
from tunesmith.models.load import quiet
from tunesmith.models.reference import resolve
from tunesmith.tasks.text_classification import TextClassification


def task(*labels: str) -> TextClassification:
    made = TextClassification()
    made.learn([{"text": "x", "label": label} for label in labels or ("坏", "好", "so-so")])
    return made


def tiny(kind: str, folder: Path, texts: list[str], pooling: str | None = None) -> Any:
    path = getattr(testing, f"tiny_{kind}")(folder / kind, texts=texts)
    if pooling:
        (path / "1_Pooling").mkdir(exist_ok=True)
        (path / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
    return resolve(str(path))


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "gpt2", "llama", "t5"])
def test_every_family_gets_a_head(kind: str, tmp_path: Path, texts: list[str]) -> None:
    model = build(tiny(kind, tmp_path, texts), task())
    assert output_layer(model).out_features == 3 and model.config.id2label == {0: "so-so", 1: "坏", 2: "好"}
    assert next(model.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "original", "asked", "appended"),
    [
        ("bert", "mean_tokens", "auto", True),
        ("bert", "cls_token", "auto", False),
        ("bert", None, "auto", False),
        ("bert", None, "mean", True),
        ("bert", "mean_tokens", "cls", False),
        ("roberta", "mean_tokens", "auto", True),
        ("distilbert", "mean_tokens", "auto", False),
    ],
)
def test_pooling(tmp_path: Path, texts: list[str], kind: str, original: str, asked: Any, appended: bool) -> None:
    reference = tiny(kind, tmp_path, texts, original)
    assert mean.has_mean(build(reference, task(), pooling=asked)) is appended


def test_mean_that_cannot_be_held_is_an_error_when_asked_for(tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(ModelError, match="distilbert.*cannot hold mean pooling") as caught:
        build(tiny("distilbert", tmp_path, texts), task(), pooling="mean")
    assert "pooling=cls" in caught.value.hint


def test_the_seed_makes_the_head(tmp_path: Path, texts: list[str]) -> None:
    reference, weights = tiny("bert", tmp_path, texts), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(output_layer(build(reference, task())).weight)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_a_model_without_such_a_head_is_said(tmp_path: Path, texts: list[str]) -> None:
    class Speech(TextClassification):
        auto_model = "AutoModelForCTC"

    other = Speech()
    other.restore(task().state)
    with pytest.raises(ModelError, match="has no head for text-classification"):
        build(tiny("bert", tmp_path, texts), other)


def test_a_classifier_of_other_classes_gets_a_new_head(tmp_path: Path, texts: list[str]) -> None:
    first = build(tiny("bert", tmp_path, texts, "mean_tokens"), task("a", "b"))
    with quiet():
        first.save_pretrained(tmp_path / "first")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "first" / name).write_bytes((tmp_path / "bert" / name).read_bytes())
    again = build(resolve(str(tmp_path / "first")), task())
    assert output_layer(again).out_features == 3
    assert mean.has_mean(again) and again.config.num_hidden_layers == 3, "the layer is there already"
    assert not any(p.requires_grad for p in again.base_model.encoder.layer[-1].parameters()), "and stays as it is"


def test_a_model_that_was_built_is_read_by_plain_transformers(tmp_path: Path, texts: list[str]) -> None:
    model = build(tiny("roberta", tmp_path, texts, "mean_tokens"), task()).eval()
    model.save_pretrained(tmp_path / "saved")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    ids = torch.tensor([[0, 5, 6, 7, 2]])
    with torch.no_grad():
        torch.testing.assert_close(again(ids).logits, model(ids).logits, atol=1e-5, rtol=0)


def test_weights_that_do_not_fit_are_refused_and_not_made_at_random(tmp_path: Path, texts: list[str]) -> None:
    reference = tiny("bert", tmp_path, texts)
    config = json.loads((tmp_path / "bert" / "config.json").read_text())
    (tmp_path / "bert" / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(ModelError, match="do not fit its config.json: .*layer.2"):
        build(reference, task())

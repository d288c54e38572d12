"""A bundle made smaller: what is cut, what recovery brings, what is proven, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_files import LEARNS, write_csv

from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.compression.student import write_student
from tunesmith.core.artefacts import Parity
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.pipeline.smaller import smaller
from tunesmith.testing import tiny_bert, toy_rows

Small = Callable[..., Bundle]
TEXTS = ["房间很干净！", "The staff was awful, simply awful.", "服务很差 🙂"]


@pytest.fixture(scope="session")
def parents(tmp_path_factory: Any) -> Iterator[dict[str, Path]]:
    """Four layers that learned both languages: as a whole with mean pooling, and by LoRA."""
    from tunesmith import tune

    place = tmp_path_factory.mktemp("parents")
    both = toy_rows("en", 120) + [
        {**row, "label": {"积极": "positive", "消极": "negative"}[row["label"]]} for row in toy_rows("zh", 120)
    ]
    file = write_csv(place / "both.csv", both)
    model = tiny_bert(place / "model", texts=[row["text"] for row in both], layers=4, heads=4)
    with pytest.MonkeyPatch.context() as patch:
        trusted = Parity("save and reload", 1, 0.0, 1.0, 1e-4, True)
        patch.setattr("tunesmith.pipeline.save.prove_reload", lambda *args: trusted)
        for name, more in {"full": ("model.pooling=mean", "training.epochs=8"), "lora": ("method=lora",)}.items():
            given = (f"model={model}", f"bundle={place / name}", "evaluation.baselines=false", *LEARNS, *more)
            tune(str(file), *given)
    yield {name: place / name for name in ("full", "lora")}


@pytest.fixture
def small(near_reload: None, tmp_path: Path) -> Small:
    return lambda parent, *overrides, **wanted: smaller(parent, [f"bundle={tmp_path / 'small'}", *overrides], **wanted)


def weights(bundle: Bundle) -> int:
    return sum(p.numel() for p in TorchRuntime.open(bundle).model.parameters())


def test_pruned_recovered_trimmed_and_proven(small: Small, parents: dict[str, Path]) -> None:
    parent = read_bundle(parents["full"])
    made = small(
        parents["full"], "evaluation.baselines=true",
        layers=2, feed_forward=0.25, heads=4, vocabulary=["zh", "en"], pieces=50, recover=4,
    )  # fmt: skip
    told, report = made.report["smaller"], made.report
    assert told["pruned"]["layers"] == [0, 3] and told["pruned"]["neurons"] == 16 and sum(told["pruned"]["heads"]) == 4
    assert told["parameters"]["after"] < 0.65 * told["parameters"]["before"]
    assert told["vocabulary"]["after"] < told["vocabulary"]["before"]
    assert list(told["validation"]) == ["parent", "pruned", "recovered"]
    loss = {stage: found["log_loss"] for stage, found in told["validation"].items()}
    assert loss["recovered"] < loss["pruned"]
    assert "Pruned to 2 layers (0, 3)" in told["words"] and told["words"] in report["data_notes"]
    assert report["names"]["before"] == "its parent"
    assert report["before"]["metrics"]["macro_f1"]["value"] == pytest.approx(parent.manifest.metrics["macro_f1"].value)
    assert made.manifest.lineage.parent == parent.manifest.to_json()["seal"]
    assert made.manifest.pooling == "mean" and made.recipe.training.strategies[0].name == "distill"
    assert weights(made) < told["parameters"]["after"]  # heads that are zero are not computed

    from transformers import pipeline

    asked = pipeline("text-classification", str(made.path), top_k=None)
    for answers, own in zip(asked(TEXTS), made.predict(TEXTS), strict=True):
        theirs = {answer["label"]: answer["score"] for answer in answers}
        assert own["scores"] == pytest.approx(theirs, abs=1e-4)


def test_the_vocabulary_alone_changes_no_answer(small: Small, parents: dict[str, Path]) -> None:
    parent = read_bundle(parents["full"])
    made = small(parents["full"], vocabulary=["en"])
    assert made.report["smaller"]["recover"] == 0 and made.report["smaller"]["pruned"] is None
    assert made.report["context"]["parameters"]["trained"] == 0
    assert made.manifest.metrics["macro_f1"].value == parent.manifest.metrics["macro_f1"].value
    assert made.predict(TEXTS[1:2]) == parent.predict(TEXTS[1:2])
    assert len(made.processor) < len(parent.processor)
    model = made.predictor().runtime.model  # type: ignore[attr-defined]
    assert model.config.vocab_size == len(made.processor) == model.get_input_embeddings().num_embeddings


def test_from_lora_without_recovery_by_effect(small: Small, parents: dict[str, Path]) -> None:
    parent = read_bundle(parents["lora"])
    made = small(parents["lora"], layers=3, which="effect", recover=0)
    told = made.report["smaller"]["pruned"]
    assert len(told["layers"]) == 3 and len(told["effects"]) == 4
    assert told["effects"].index(min(told["effects"])) not in told["layers"]
    assert made.manifest.method.name == "full" and weights(made) < weights(parent)
    assert made.recipe.training.strategies == []


def test_rates_of_another_method_are_not_taken(small: Small, parents: dict[str, Path]) -> None:
    made = small(parents["lora"], "training.max_steps=1", feed_forward=8)
    assert made.recipe.training.learning_rate != read_bundle(parents["lora"]).recipe.training.learning_rate
    assert made.recipe.training.epochs == 1


def test_a_run_that_died_goes_on(
    small: Small, parents: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest(bundle: Bundle) -> str:
        return bundle.manifest.files["model.safetensors"].sha256

    wanted: dict[str, Any] = {"layers": 2, "heads": 5, "recover": 3}
    whole = digest(small(parents["full"], **wanted))

    def dies(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("tunesmith.pipeline.smaller._SmallerRun._choose", dies)
        small(parents["full"], f"bundle={tmp_path / 'again'}", "training.checkpoint_seconds=0", **wanted)
    again = small(parents["full"], f"bundle={tmp_path / 'again'}", "training.checkpoint_seconds=0", **wanted)
    assert again.report["context"]["training"]["resumed_at"] > 0
    assert digest(again) == whole


def test_a_student_is_a_folder_to_tune_from(
    parents: dict[str, Path], tmp_path: Path, tuned: Callable[..., Bundle]
) -> None:
    parent = read_bundle(parents["full"])
    folder = write_student(parent, tmp_path / "student", 2, feed_forward=0.5)
    teach = "training.strategies=[{name: distill, teacher: " + str(parents["full"]) + "}]"
    made = tuned(parent.recipe.data.path, f"model={folder}", teach, "training.epochs=4", "evaluation.baselines=true")
    assert made.report["context"]["parameters"]["all"] < 0.8 * parent.report["context"]["parameters"]["all"]
    assert made.manifest.pooling == "mean"
    model = made.predictor().runtime.model  # type: ignore[attr-defined]
    assert model.config.num_hidden_layers == 3 and model.config.intermediate_size == 32  # two, and the mean
    with pytest.raises(RecipeError, match="is not free"):
        write_student(parent, folder, 2)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, "Nothing is to be cut off"),
        ({"layers": 5}, "layers must be a number from 1 to 4"),
        ({"layers": [0, 9]}, "layers names 0, 9"),
        ({"feed_forward": 65}, "feed_forward must be a number"),
        ({"heads": 1.5}, "heads must be a number"),
        ({"vocabulary": ["klingon"]}, 'no language or script "klingon"'),
        ({"layers": 2, "recover": -1}, "recover must be 0 or more"),
    ],
)
def test_refused_before_anything_loads(
    wanted: dict[str, Any], words: str, small: Small, parents: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.pipeline.smaller.planned", lambda *args, **named: pytest.fail("planned"))
    with pytest.raises(RecipeError, match=words):
        small(parents["full"], **wanted)


def test_a_base_apart_is_refused(small: Small, parents: dict[str, Path], tmp_path: Path, tuned: Any) -> None:
    apart = tuned(read_bundle(parents["full"]).recipe.data.path, "method=prefix", "training.max_steps=1", name="apart")
    with pytest.raises(BundleError, match="keeps the base apart"):
        small(apart.path, layers=1)

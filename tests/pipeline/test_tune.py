"""From a file to a proven bundle, in one process and in both languages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy_files import LEARNS, QUICK, write_csv

from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import BundleError, DataError, RecipeError, TrainingError
from tunesmith.core.registry import family
from tunesmith.evaluation.checks.calibration import Calibration
from tunesmith.evaluation.judges.over_http import JudgeError
from tunesmith.testing import toy_rows

Tuned = Callable[..., Bundle]


def sha(bundle: Bundle) -> str:
    return hashlib.sha256((bundle.path / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module", params=["en", "zh"])
def proven(
    request: pytest.FixtureRequest, files: dict[str, Path], models: dict[str, str], tmp_path_factory: Any
) -> Iterator[tuple[str, Bundle]]:
    """A whole run, its reload in a fresh process included."""
    from tunesmith import tune

    place = tmp_path_factory.mktemp("proven") / "bundle"
    bundle = tune(
        str(files[request.param]), f"model={models['bert']}", f"bundle={place}", *LEARNS,
        "evaluation.checks=[calibration]",
    )  # fmt: skip
    yield request.param, bundle


class TestProven:
    def test_it_learned(self, proven: tuple[str, Bundle]) -> None:
        report = proven[1].report
        after = report["metrics"]["macro_f1"]["value"]
        assert after >= 0.9
        assert after > report["before"]["metrics"]["macro_f1"]["value"] + 0.2
        assert after > report["baselines"]["majority"]["metrics"]["macro_f1"]["value"] + 0.2
        assert report["baselines"]["tfidf"]["metrics"]["macro_f1"]["value"] > 0.5

    def test_the_report_is_whole(self, proven: tuple[str, Bundle]) -> None:
        language, bundle = proven
        report = json.loads((bundle.path / "report.json").read_text("utf-8"))
        for measured in (report, report["before"], *report["baselines"].values()):
            figures = measured["metrics"]
            assert {"macro_f1", "accuracy", "ece"} <= set(figures)
            assert all(set(figure) == {"value", "low", "high"} for figure in figures.values())
        assert [check["name"] for check in report["checks"]] == ["calibration"]
        assert report["parity"][0]["passed"] and report["parity"][0]["largest_gap"] < 1e-4
        assert report["context"]["language"] == language
        assert report["context"]["rows"] == {"train": 122, "validation": 14, "test": 24}
        assert report["context"]["parameters"]["trained"] == report["context"]["parameters"]["all"]
        page = (bundle.path / "report.html").read_text("utf-8")
        assert "<html" in page and "http://" not in page.replace("http://www.w3.org", "") and "src=" not in page
        (label,) = {"en": ["positive"], "zh": ["积极"]}[language]
        assert label in page

    def test_the_bundle_is_whole(self, proven: tuple[str, Bundle]) -> None:
        bundle = read_bundle(proven[1].path)
        names = {path.name for path in bundle.path.iterdir()}
        assert {
            "config.json", "model.safetensors", "tokenizer.json", "README.md", "tunesmith.json", "recipe.yaml",
            "report.json", "report.html", "log.jsonl", "environment.txt",
        } <= names  # fmt: skip
        assert not [path for path in bundle.path.parent.iterdir() if path.name != bundle.path.name], "nothing is left"
        stages = [json.loads(line).get("stage") for line in (bundle.path / "log.jsonl").read_text().splitlines()]
        assert [s for s in stages if s] == ["baselines", "before", "train", "evaluate", "save"]

    def test_transformers_answers_alike(self, proven: tuple[str, Bundle]) -> None:
        from transformers import pipeline

        language, bundle = proven
        texts = [row["text"] for row in toy_rows(language, 6, seed=99)]
        ours = bundle.predict(texts)
        theirs = pipeline("text-classification", model=str(bundle.path), device="cpu")(texts)
        assert [p["label"] for p in ours] == [p["label"] for p in theirs]
        assert [p["score"] for p in ours] == pytest.approx([p["score"] for p in theirs], abs=1e-4)

    def test_the_recipe_has_no_gaps_and_says_it_all(self, proven: tuple[str, Bundle]) -> None:
        values = yaml.safe_load((proven[1].path / "recipe.yaml").read_text("utf-8"))
        assert values["task"] == "text-classification" and values["method"] == "full"
        assert values["data"]["columns"] == {"text": "text", "label": "label"}
        assert values["training"]["learning_rate"] == 4e-3 and values["training"]["batch_size"] == 16
        assert values["model"]["max_length"] == 256

    def test_measured_on_other_rows(self, proven: tuple[str, Bundle], tmp_path: Path) -> None:
        from tunesmith.pipeline.measure import measured

        language, bundle = proven
        others = toy_rows(language, 40, seed=7)
        file = write_csv(tmp_path / "other.csv", [{"review": r["text"], "stars": r["label"]} for r in others])
        found = measured(bundle.path, str(file), ["data.text=review", "data.label=stars"])
        right = [
            p["label"] == r["label"] for p, r in zip(bundle.predict([r["text"] for r in others]), others, strict=True)
        ]
        assert found["rows"] == 40
        assert found["metrics"]["accuracy"]["value"] == pytest.approx(sum(right) / 40)

    def test_measured_on_an_unknown_label(self, proven: tuple[str, Bundle], tmp_path: Path) -> None:
        from tunesmith.pipeline.measure import measured

        language, bundle = proven
        others = [{**row, "label": row["label"] + "!"} for row in toy_rows(language, 10, seed=7)]
        with pytest.raises(DataError, match="is in no training row. Did you mean"):
            measured(bundle.path, str(write_csv(tmp_path / "o.csv", others)))

    def test_run_again_it_is_the_same(self, proven: tuple[str, Bundle], near_reload: None) -> None:
        from tunesmith.pipeline.reproduce import reproduced

        found = reproduced(proven[1].path)
        assert found["agrees"] and found["identical_weights"] and not found["differences"], found
        assert found["metrics"]["macro_f1"]["then"] == found["metrics"]["macro_f1"]["now"]


@pytest.mark.parametrize("name", sorted(family("methods")))
def test_every_method_ends_in_a_bundle(tuned: Tuned, files: dict[str, Path], name: str, models: dict[str, str]) -> None:
    bundle = tuned(files["zh"], f"method={name}", "model.pooling=mean", "evaluation.baselines=false")
    report = bundle.report
    assert report["context"]["method"] == name and report["parity"][0]["passed"]
    parameters = report["context"]["parameters"]
    assert 0 < parameters["trained"] < parameters["all"], "the mean layer, at least, is not trained"
    kept = {"lora", "adalora", "ia3", "oft", "prefix"}
    assert (bundle.path / "adapter").is_dir() is (name in kept)
    if name == "lora":
        from peft import PeftModel
        from transformers import AutoModelForSequenceClassification

        base = AutoModelForSequenceClassification.from_pretrained(models["bert"], num_labels=2, num_hidden_layers=3)
        model = PeftModel.from_pretrained(base, str(bundle.path / "adapter")).eval()
        text = toy_rows("zh", 2, seed=5)[0]["text"]
        inputs = bundle.processor(text, return_tensors="pt")
        (prediction,) = bundle.predict(text)
        found = model(**inputs).logits.softmax(-1)[0].tolist()
        assert list(prediction["scores"].values()) == pytest.approx(found, abs=1e-4)
        assert "num_hidden_layers=3" in (bundle.path / "README.md").read_text("utf-8")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_labels_of_a_text(tuned: Tuned, tmp_path: Path, language: str) -> None:
    rows = [
        {"text": r["text"], "labels": "|".join([r["label"], "long"] if len(r["text"]) % 2 else [r["label"]])}
        for r in toy_rows(language, 120)
    ]
    bundle = tuned(write_csv(tmp_path / "tags.csv", rows), "task=multi-label-classification", "data.labels=labels")
    assert bundle.report["primary"] == "micro_f1" and len(bundle.task.labels) == 3  # type: ignore[attr-defined]
    (prediction,) = bundle.predict(rows[0]["text"])
    assert set(prediction) == {"labels", "scores"}


@pytest.mark.parametrize(("scale", "method"), [(1.0, "full"), (1.0, "lora"), (1.0, "head"), (1e6, "full")])
def test_numbers_in_their_own_unit(tuned: Tuned, tmp_path: Path, scale: float, method: str) -> None:
    from transformers import pipeline

    side = {"positive": 200, "negative": 100}
    rows = [
        {"text": r["text"], "price": (side[r["label"]] + i / 100) * scale} for i, r in enumerate(toy_rows("en", 160))
    ]
    bundle = tuned(
        write_csv(tmp_path / "prices.csv", rows), "task=text-regression", "data.label=price", f"method={method}",
        "model.pooling=mean", "training.epochs=40", "training.patience=null", learns=True,
    )  # fmt: skip
    report = bundle.report
    assert report["primary"] == "r2"
    if method != "head":
        assert report["metrics"]["r2"]["value"] > max(0.5, report["before"]["metrics"]["r2"]["value"])
        assert report["metrics"]["mae"]["value"] < 30 * scale
    assert bundle.manifest.task.state == {"mean": 0.0, "deviation": 1.0}
    plain = pipeline("text-classification", model=str(bundle.path), device="cpu", function_to_apply="none")
    texts = [row["text"] for row in rows[:4]]
    wanted = [p["value"] for p in bundle.predict(texts)]
    assert [p["score"] for p in plain(texts)] == pytest.approx(wanted, rel=1e-4)
    assert all(50 * scale < value < 250 * scale for value in wanted)


def test_pairs_of_texts(tuned: Tuned, tmp_path: Path) -> None:
    rows = toy_rows("en", 120)
    pairs = [
        {"one": r["text"], "two": "yes" if i % 2 else "no", "same": str((r["label"] == "positive") == bool(i % 2))}
        for i, r in enumerate(rows)
    ]
    bundle = tuned(
        write_csv(tmp_path / "p.csv", pairs), "data.text=one", "data.text_pair=two", "data.label=same",
        "task=text-classification",
    )  # fmt: skip
    one, other = bundle.predict([("The room was great.", "yes"), ("The room was great.", "no")])
    assert one["scores"] != other["scores"]


def test_given_test_and_validation_files(tuned: Tuned, tmp_path: Path) -> None:
    parts = {name: toy_rows("en", n, seed=i) for i, (name, n) in enumerate([("train", 60), ("test", 30), ("val", 20)])}
    paths = {name: write_csv(tmp_path / f"{name}.csv", rows) for name, rows in parts.items()}
    bundle = tuned(paths["train"], f"data.test={paths['test']}", f"data.validation={paths['val']}")
    assert bundle.report["context"]["rows"]["test"] == 30 and bundle.report["context"]["rows"]["validation"] == 20
    assert bundle.report["context"]["rows"]["train"] >= 55


def test_curves_stay_with_the_bundle(tuned: Tuned, files: dict[str, Path]) -> None:
    """The run's folder is gone when the bundle is there."""
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    given = ["training.trackers=[tensorboard]", "training.max_steps=2", "evaluation.baselines=false"]
    curves = events.EventAccumulator(str(tuned(files["zh"], *given).path / "tensorboard"))
    curves.Reload()
    assert [point.step for point in curves.Scalars("loss")][-1] == 2


def test_long_documents_are_windows_to_the_end(tuned: Tuned, tmp_path: Path) -> None:
    filler = " ".join(["The room was on my list."] * 12)
    rows = [{"text": f"{filler} {r['text']}", "label": r["label"]} for r in toy_rows("en", 60)]
    bundle = tuned(write_csv(tmp_path / "long.csv", rows), "model.max_length=32", "training.epochs=1")
    features, _ = bundle.predictor().outputs([{"text": rows[0]["text"]}])
    assert len(features) > 3 and bundle.manifest.max_length == 32


def test_the_second_run_of_a_head_computes_no_features(
    tuned: Tuned, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("method=head", "training.seed=4")
    first = tuned(files["en"], *options, name="a")

    def no(*_: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr("tunesmith.models.features._compute", no)
    assert sha(tuned(files["en"], *options, name="b")) == sha(first)
    assert tuned(files["en"], *options, "method.name=head", "training.learning_rate=1e-3", name="c")


@pytest.mark.parametrize("method", ["full", "lora", "freeze"])
def test_strategies_go_with_methods(tuned: Tuned, files: dict[str, Path], method: str) -> None:
    bundle = tuned(files["en"], f"method={method}", "training.strategies=[r_drop, {name: fgm, epsilon: 0.2}]")
    assert bundle.report["parity"][0]["passed"]


def test_a_model_without_mean_layer(tuned: Tuned, files: dict[str, Path], models: dict[str, str]) -> None:
    for method in ("head", "lora"):
        bundle = tuned(files["en"], f"model={models['distilbert']}", f"method={method}", name=method)
        assert bundle.manifest.pooling == "cls" and bundle.report["parity"][0]["passed"]


def test_a_bundle_is_a_model_to_tune_from(tuned: Tuned, files: dict[str, Path], tmp_path: Path) -> None:
    first = tuned(files["en"], "model.pooling=mean", name="first")
    rows = [{**row, "label": f"{row['label']} {len(row['text']) % 2}"} for row in toy_rows("en", 120, seed=3)]
    again = tuned(write_csv(tmp_path / "more.csv", rows), f"model={first.path}", name="second")
    assert len(again.task.labels) == 4  # type: ignore[attr-defined]
    layers = json.loads((again.path / "config.json").read_text())["num_hidden_layers"]
    assert layers == 3 and again.manifest.pooling == "mean"


def test_a_gate_that_is_not_passed_ships_nothing(tuned: Tuned, files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="gate is not passed"):
        tuned(files["en"], 'evaluation.gate={accuracy: ">= 1.01"}')
    assert not (tmp_path / "out").exists()


class Died(Exception):
    """Stands for whatever ends a run."""


@pytest.mark.parametrize("method", ["full", "head"])
def test_a_run_that_died_goes_on_to_the_same_weights(
    tuned: Tuned, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    from tunesmith.training.trackers.jsonl import Jsonl

    options = (f"method={method}", "training.checkpoint_seconds=0", "training.strategies=[r_drop]")
    whole = tuned(files["en"], *options, name="whole")
    log = Jsonl.log

    def die(self: Jsonl, step: int, values: Any) -> None:
        log(self, step, values)
        if step == 3:
            raise Died

    monkeypatch.setattr(Jsonl, "log", die)
    with pytest.raises(Died):
        tuned(files["en"], *options, name="torn")
    monkeypatch.setattr(Jsonl, "log", log)
    assert not (tmp_path / "torn").exists() and len(list(tmp_path.glob(".torn.run-*"))) == 1
    torn = tuned(files["en"], *options, name="torn")
    assert 0 < torn.report["context"]["training"]["resumed_at"] < 3
    assert sha(torn) == sha(whole) and not list(tmp_path.glob(".torn*"))


def test_a_check_ends_no_run_and_changes_no_training(
    tuned: Tuned, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of training are not lost for one figure, and what a check draws is not drawn from training."""
    import torch

    def failed(*_: Any) -> Any:
        raise JudgeError("Nobody is there.")

    monkeypatch.setattr(Calibration, "before", lambda *_: torch.rand(3))
    monkeypatch.setattr(Calibration, "check", failed)
    plain = tuned(files["en"], name="plain")
    checked = tuned(files["en"], "evaluation.checks=[calibration]", name="checked")
    (told,) = checked.report["checks"]
    assert told["figure"] is None and told["verdict"] == "Not measured: Nobody is there."
    assert sha(plain) == sha(checked)


def test_a_check_that_cannot_be_made_is_an_error_before_training(
    tuned: Tuned, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the model is not measured before it is tuned."""

    def failed(*_: Any) -> Any:
        raise JudgeError("Nobody is there.")

    monkeypatch.setattr(Calibration, "ready", failed)
    monkeypatch.setattr("tunesmith.pipeline.run.Run.tuned", lambda self: pytest.fail("it was trained"))
    with pytest.raises(JudgeError, match="Nobody is there"):
        tuned(files["en"], "evaluation.checks=[calibration]", "evaluation.baselines=false")


def test_two_runs_at_once(tuned: Tuned, files: dict[str, Path], models: dict[str, str], tmp_path: Path) -> None:
    from tunesmith.pipeline.plan import as_recipe, plan
    from tunesmith.training.run_folder import opened, run_folder

    made = plan(as_recipe(str(files["en"]), [f"model={models['bert']}", f"bundle={tmp_path / 'out'}", *QUICK]))
    with (
        opened(run_folder(made.bundle, made.identity), fresh=False),
        pytest.raises(TrainingError, match="Another process is at this very run"),
    ):
        tuned(files["en"])


def test_a_bundle_is_not_written_over_unless_asked(tuned: Tuned, files: dict[str, Path]) -> None:
    first = tuned(files["en"])
    before = sha(first)
    with pytest.raises(BundleError, match="is a bundle already"):
        tuned(files["en"], "training.seed=2")
    again = tuned(files["en"], "training.seed=2", replace=True)
    assert again.path == first.path and sha(again) != before


def test_no_strategy_is_left_out_in_silence(tuned: Tuned, files: dict[str, Path]) -> None:
    with pytest.raises(RecipeError, match="finished vectors"):
        tuned(files["en"], "method=head", "training.strategies=[fgm]")


@pytest.mark.parametrize("name", ["test", "validation"])
def test_an_unknown_label_is_told_before_training(
    name: str, files: dict[str, Path], models: dict[str, str], tmp_path: Path
) -> None:
    """Not after hours of it, when the test rows are measured."""
    from tunesmith import tune

    held = write_csv(tmp_path / "held.csv", [*toy_rows("en", 20, seed=5), {"text": "what is this", "label": "odd"}])
    with pytest.raises(DataError, match=f'In the {name} rows: The label "odd" is in no training row'):
        tune(
            str(files["en"]), f"data.{name}={held}", f"model={models['bert']}", f"bundle={tmp_path / 'b'}", *QUICK,
            "evaluation.baselines=false",
        )  # fmt: skip
    (log,) = tmp_path.glob(".b.run-*/log.jsonl")
    assert '"loss"' not in log.read_text("utf-8")

"""From a CSV with pictures to a bundle that answers, measures and tells what each modality adds."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tunesmith as ts
from tunesmith import testing
from tunesmith.bundle.rows import as_row
from tunesmith.bundle.zero_shot import found, named
from tunesmith.core.errors import DataError, ModelError, RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.models.build import build
from tunesmith.models.encoders.kept import shelf
from tunesmith.models.load import load_processor
from tunesmith.pipeline import frozen_media
from tunesmith.pipeline.measure import measured
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.shrink import ShrinkOptions, shrink
from tunesmith.pipeline.smaller import smaller

soundfile = pytest.importorskip("soundfile")
FAST = {"training": {"epochs": 3, "trackers": []}, "evaluation": {"resamples": 100, "baselines": False}}


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The label is the picture's colour in half of the rows, and stands in the text of the others."""
    place = tmp_path_factory.mktemp("goods")
    draw = np.random.default_rng(3)
    rows = []
    for i in range(64):
        label = i % 2
        shown = i % 4 < 2
        colour = (220, 20, 20) if label else (20, 20, 220)
        pixels = draw.integers(0, 30, (12, 12, 3)) + np.array(colour if shown else (120, 120, 120))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / f"{i}.png")
        said = ("蓝色" if label == 0 else "red") if not shown else "goods"
        rows.append([f"{i}.png", f"{said} number {i} of our shop", i % 7, ("blue", "红")[label]])
    with (place / "goods.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["photo", "text", "size", "label"], *rows])
    testing.tiny_image(place / "encoder")
    testing.tiny_bert(place / "bert", texts=[row[1] for row in rows])
    return place


def recipe(goods: Path, out: Path, **more: Any) -> dict[str, Any]:
    return {
        "data": {"path": str(goods / "goods.csv"), **more.pop("data", {})},
        "model": str(goods / "bert"),
        "task": {"image": str(goods / "encoder"), **more.pop("task", {})},
        "bundle": str(out),
        **FAST,
        **more,
    }


@pytest.fixture(scope="module")
def bundle(goods: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("out")
    values = recipe(goods, place / "b", data={"numeric": ["size"], "image": "photo", "text": "text"})
    return ts.tune({**values, "training": {"epochs": 20, "patience": None, "learning_rate": 5e-3, "trackers": []}})


def test_a_bundle_answers_and_says_what_adds_to_it(bundle: Any, goods: Path) -> None:
    row = {"text": "goods number 1", "image": str(goods / "1.png"), "numeric": {"size": 1}}
    (whole,) = bundle.predict([row])
    assert set(whole["contributions"]) == {"text", "image", "table"}
    (alone,) = bundle.predict([{"text": "goods number 1"}])
    assert set(alone["contributions"]) == {"text"}
    inline = testing.picture_url((220, 20, 20))
    (sent,) = bundle.predict([{"image": inline}])
    assert set(sent["contributions"]) == {"image"}
    with pytest.raises(DataError, match="Row 1: .*No such file"):
        bundle.predict([{"image": str(goods / "none.png")}])
    with pytest.raises(DataError, match="nothing to read"):
        as_row(bundle.task, {"text": " "})


@pytest.mark.parametrize("cuts", [[], ["vocabulary=en"]])
def test_what_reads_files_is_not_shrunk(bundle: Any, tmp_path: Path, cuts: list[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("tunesmith.pipeline.shrink.planned", lambda *given, **named: pytest.fail("planned"))
    with pytest.raises(RecipeError, match="reads pictures: graphs and cuts"):
        shrink(bundle.path, [f"bundle={tmp_path / 'small'}"], ShrinkOptions(cuts=cuts))
    with pytest.raises(RecipeError, match="reads pictures"):
        smaller(bundle.path, layers=1)


def test_the_report_tells_what_each_modality_adds(bundle: Any) -> None:
    told = bundle.report["modalities"]
    assert set(told["without"]) == set(told["alone"]) == {"text", "image", "table"}
    assert {"value", "low", "high"} <= set(told["without"]["image"])
    assert bundle.report["parity"][0]["passed"]
    assert "What each modality adds" in (bundle.path / "report.html").read_text("utf-8")


def test_a_file_is_measured_and_asked_row_by_row(bundle: Any, goods: Path) -> None:
    report = measured(bundle.path, str(goods / "goods.csv"))
    assert report["rows"] == 64 and report["metrics"]["accuracy"]["value"] > 0.4


def test_what_a_file_lacks_is_told_where_it_is_measured(bundle: Any, goods: Path, tmp_path: Path) -> None:
    with (goods / "goods.csv").open(encoding="utf-8", newline="") as file:
        read = csv.DictReader(file)
        rows = [{"picture": str(goods / r["photo"]), "words": r["text"], "label": r["label"]} for r in read]
    with (tmp_path / "other.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ["picture", "words", "label"])
        table.writeheader()
        table.writerows(rows[:8])
    notes = measured(bundle.path, str(tmp_path / "other.csv"), ["data.text=words"])["data_notes"]
    assert {note.partition(",")[0] for note in notes} >= {
        'image: there is no column "photo"', 'numeric: there is no column "size"',
    }  # fmt: skip


def test_the_service_takes_bytes_and_no_path(bundle: Any, goods: Path) -> None:
    request = bundle.task.request_model()
    url = testing.picture_url((9, 9, 9))
    assert request.model_validate({"image": url.partition(",")[2]}).image.startswith("data:image/*;base64,")
    for path in ("/etc/passwd", str(goods / "1.png"), "1.png"):
        with pytest.raises(ValueError, match="base64"):
            request.model_validate({"image": path})
    with pytest.raises(ValueError, match="give one of"):
        request.model_validate({})
    assert json.dumps(request.model_json_schema())


@pytest.mark.parametrize("fusion", ["cross-attention", "early"])
def test_every_fusion_is_saved_and_gives_the_same_again(
    goods: Path, tmp_path: Path, fusion: str, near_reload: None
) -> None:
    made = ts.tune(recipe(goods, tmp_path / "b", task={"fusion": fusion, "hidden": 16}))
    assert made.report["parity"][0]["passed"]


def test_pictures_alone_need_no_tokenizer(goods: Path, tmp_path: Path, near_reload: None) -> None:
    values = recipe(goods, tmp_path / "b", task={"name": "image-classification"}, method="full")
    made = ts.tune({**values, "model": str(goods / "encoder"), "training": {"epochs": 1, "trackers": []}})
    assert not list(made.path.glob("tokenizer*"))
    assert made.predict(str(goods / "1.png"))[0]["contributions"].keys() == {"image"}
    again = ts.tune(
        {**values, "model": str(made.path), "bundle": str(tmp_path / "c"), "method": "head", **FAST}
    )  # a bundle is a model to start from
    assert again.report["parity"][0]["passed"]


def test_a_text_model_is_no_encoder_of_pictures(goods: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reads texts"):
        ts.tune(recipe(goods, tmp_path / "b", task={"image": str(goods / "bert")}))


def test_texts_and_pictures_in_one_space(goods: Path, tmp_path: Path, near_reload: None) -> None:
    values = recipe(goods, tmp_path / "b", task={"name": "image-text-alignment", "hidden": 16})
    made = ts.tune({**values, "training": {"epochs": 4, "trackers": []}})
    assert made.report["metrics"]["mrr"]["value"] > 0
    both = made.predict([{"text": "red", "image": str(goods / "1.png")}, {"text": "red"}])
    assert len(both[0]["vector"]) == len(both[0]["vector_pair"]) == 16 and both[1]["vector_pair"] is None
    pictures = [testing.picture_url((220, 20, 20)), testing.picture_url((20, 20, 220))]
    answers = named(made, pictures, ["red number 3 of our shop", "蓝色 number 2 of our shop"])
    assert sum(answers[0]["scores"].values()) == pytest.approx(1)
    first = found(made, "red number 3 of our shop", pictures)
    assert len(first) == 2 and first[0][1] >= first[1][1]
    with pytest.raises(RecipeError, match="Fewer than two labels"):
        named(made, pictures, ["one"])


def test_vectors_are_kept_by_what_made_them(
    bundle: Any, goods: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def spied(folder: Path, name: str) -> Any:
        names.append(name)
        return shelf(tmp_path / "kept", name)

    monkeypatch.setattr(frozen_media, "shelf", spied)
    made = plan(Recipe.parse(recipe(goods, tmp_path / "b")))
    processor = load_processor(made.reference)
    for pooling in ("mean", "cls", "auto"):  # "mean" was refused
        model = build(made.reference, made.task, pooling=pooling)  # type: ignore[arg-type]
        view, _ = frozen_media.on_frozen_encoders(made, model, processor)
        view.encode([{"text": "goods"}], processor, max_length=16, targets=False)
    texts = [name for name in names if name.startswith("text|")]
    assert texts[0] == texts[2] != texts[1]
    again = plan(Recipe.parse({**recipe(goods, tmp_path / "c"), "model": str(bundle.path)}))
    of_bundle = [frozen_media.content_of(again, name) for name in ("text", "image")]
    assert of_bundle == [again.reference.content_hash] * 2, "it may have tuned its encoders"
    assert frozen_media.content_of(made, "image") != again.reference.content_hash


def test_no_bundle_of_another_task_names_pictures(bundle: Any) -> None:
    with pytest.raises(RecipeError, match="image-text-alignment"):
        named(bundle, [testing.picture_url((1, 1, 1))], ["a", "b"])

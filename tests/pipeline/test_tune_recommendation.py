"""A log to a proven recommender: figures, answers, new items, and what cannot be used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shop_files import shop, write

from tunesmith import tune
from tunesmith.bundle.layout import RuntimeRecord
from tunesmith.bundle.parity import RELOAD, compare
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.cli import main
from tunesmith.core.artefacts import Parity
from tunesmith.core.errors import BundleError, DataError, RecipeError
from tunesmith.pipeline.add_items import add_items
from tunesmith.pipeline.measure import measured
from tunesmith.testing import tiny_bert

SETTINGS = (
    "training.epochs=4", "training.batch_size=32", "training.threads=1", "training.trackers=[jsonl]",
    "evaluation.resamples=100", "task.dim=16", "task.negatives=16", "task.top=10",
)  # fmt: skip


@pytest.fixture(scope="module", params=["en", "zh"])
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], Bundle]:
    place = tmp_path_factory.mktemp("shop")
    files = shop(place, request.param)
    model = tiny_bert(place / "model", texts=[files["items"].read_text("utf-8")])
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "zh":
            patch.setattr("tunesmith.pipeline.save.prove_reload", near)
        bundle = tune(
            str(files["log"]), f"data.items={files['items']}", f"data.users={files['users']}", f"model={model}",
            f"bundle={place / 'bundle'}", *SETTINGS,
        )  # fmt: skip
    return files, bundle


def near(part: Path, rows: Any, arrays: Any, predictions: Any, tokens: Any) -> Parity:
    """Reloaded in this process: a fresh one takes seconds; English has one, and so has the page in docs."""
    bundle = read_bundle(part)
    features, again = bundle.predictor(device="cpu").outputs(rows)
    found = compare(RELOAD, arrays, again, predictions, bundle.task.decode(again, features))
    assert found.passed, found
    return found


def test_a_taste_is_learned_and_proven(tuned: tuple[dict[str, Path], Bundle]) -> None:
    report = tuned[1].report
    assert report["task"] == "recommendation" and report["primary"] == "ndcg_at_10" and report["rows"] == 36
    assert set(report["baselines"]) == {"popularity", "item-knn", "bm25"}
    hit = report["metrics"]["hit_rate_at_10"]
    assert hit["value"] > report["baselines"]["popularity"]["metrics"]["hit_rate_at_10"]["value"] + 0.2
    assert hit["low"] <= hit["value"] <= hit["high"]
    assert 0 < report["metrics"]["coverage_at_10"]["value"] <= 1 and report["parity"][0]["passed"]
    assert any("ranker was fitted on" in note for note in report["data_notes"])


def test_answers_have_reasons(tuned: tuple[dict[str, Path], Bundle]) -> None:
    files, bundle = tuned
    known, given, nobody = bundle.predict([{"user": "u0"}, {"history": ["10", "11"]}, {"user": "stranger"}])
    assert {one["item"][0] for one in known["items"][:2]} == {"0"}, "what is left of the user's own kind"
    assert given["items"][0]["item"][0] == "1" and {one["item"] for one in given["items"]}.isdisjoint({"10", "11"})
    assert {one["item"] for one in given["items"][0]["because"]} <= {"10", "11"} and given["items"][0]["text"]
    assert nobody["history"] == 0 and len(nobody["items"]) == 10 and nobody["items"][0]["because"] == []
    assert sum(one["score"] for one in known["items"]) <= 1 + 1e-6
    ranked = bundle.predict([{"user": "u0", "candidates": ["17", "07", "nothing"]}])[0]
    assert [one["item"] for one in ranked["items"]] == ["07", "17"], "cold items, told apart by their texts"
    assert ranked["unknown"] == ["nothing"]
    none, alone = bundle.predict([{"user": "u0", "candidates": ["no", "nor"]}, {"user": "u0", "candidates": ["17"]}])
    assert none["items"] == [] and none["unknown"] == ["no", "nor"], "never the whole catalogue"
    assert [one["item"] for one in alone["items"]] == ["17"]
    assert bundle.predict([{"user": "u0", "candidates": ["no"]}])[0]["items"] == [], "nor in a batch of its own"
    strange = bundle.predict([{"history": ["never seen", "10"]}])[0]
    assert strange["unknown"] == ["never seen"] and strange["history"] == 1


def test_variety_costs_the_order_only(tuned: tuple[dict[str, Path], Bundle]) -> None:
    rows = [{"user": f"u{i}"} for i in range(6)]
    plain, varied = tuned[1].predict(rows), tuned[1].asked({"diversity": 0.9}).predict(rows)

    def kinds(found: list[Any]) -> float:
        return float(np.mean([len({one["item"][0] for one in p["items"][:3]}) for p in found]))

    assert kinds(varied) > kinds(plain)


def test_evaluate_knows_the_histories(tuned: tuple[dict[str, Path], Bundle], tmp_path: Path) -> None:
    rows = [{"user_id": f"u{i}", "item_id": f"{i % 3}7", "rating": 4, "timestamp": 1_700_000_000} for i in range(9)]
    report = measured(tuned[1].path, str(write(tmp_path / "later.csv", rows)))
    assert report["rows"] == 9 and report["metrics"]["cold_hit_rate_at_10"]["value"] is not None


def test_new_items_are_recommended_without_training(
    tuned: tuple[dict[str, Path], Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, bundle = tuned
    monkeypatch.setattr("tunesmith.pipeline.add_items.prove_reload", near)
    old = files["items"].read_text("utf-8").splitlines()
    header, like = old[0].split(","), dict(zip(old[0].split(","), old[1].split(","), strict=True))
    fresh = {**like, "item_id": "new"}
    table = write(tmp_path / "new.csv", [fresh, like])
    log = write(tmp_path / "log.csv", [{"user_id": "u1", "item_id": "new", "rating": 5, "timestamp": 1_650_000_000}])
    assert header[0] == "item_id"
    found = add_items(bundle.path, str(table), str(log), tmp_path / "grown")
    assert (found.items, found.known, found.events) == (1, 1, 1)
    grown = read_bundle(tmp_path / "grown")
    best = grown.predict([{"user": "u0", "candidates": ["new", "17", "27"]}])[0]
    assert best["items"][0]["item"] == "new" and best["unknown"] == []
    assert grown.predict([{"user": "u1"}])[0]["history"] == bundle.predict([{"user": "u1"}])[0]["history"] + 1
    assert bundle.predict([{"user": "u0", "candidates": ["new", "17"]}])[0]["unknown"] == ["new"]
    with pytest.raises(DataError, match="nothing new"):
        add_items(grown.path, None, str(log))
    more = write(tmp_path / "more.csv", [
        {"user_id": "u1", "item_id": "new", "rating": 5, "timestamp": 1_650_000_000},
        {"user_id": "u1", "item_id": "new", "rating": 5, "timestamp": 1_650_000_009},
    ])  # fmt: skip
    with pytest.raises(BundleError, match="grown"):
        add_items(bundle.path, str(table), str(more), tmp_path / "grown")
    twice = add_items(bundle.path, str(table), str(log), tmp_path / "grown", overwrite=True)
    assert twice.events == 1
    longer = add_items(grown.path, None, str(more))
    assert longer.events == 1 and any("1 rows of" in n and "known already" in n for n in longer.notes)
    with pytest.raises(DataError, match="nothing new"):
        add_items(grown.path, str(table))
    with pytest.raises(RecipeError, match="nothing to add"):
        add_items(grown.path, None)
    form = replace(grown.manifest, runtime=RuntimeRecord("onnx", "model.onnx", "int8", "int8"))
    monkeypatch.setattr("tunesmith.pipeline.add_items.read_bundle", lambda path: Bundle(Path(path), form))
    with pytest.raises(BundleError, match="was shrunk to int8") as error:  # its weights are there
        add_items(grown.path, str(table))
    assert error.value.hint == "Add to the parent, then shrink."


def test_the_verbs(tuned: tuple[dict[str, Path], Bundle], capsys: Any) -> None:
    files, bundle = tuned
    assert main(["check", str(files["log"]), f"data.items={files['items']}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["guess"]["task"] == "recommendation" and told["profile"]["users"] == 36
    assert told["profile"]["tables"]["items"] == {"rows": 24, "missing": 0, "cold": 3}
    assert main(["predict", str(bundle.path), "u0", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["predictions"][0]["items"]) == 10

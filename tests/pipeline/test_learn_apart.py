"""``tunesmith learn --apart``: nothing forgotten but by the router, a third task, reload, broken files, refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_files import LEARNS, write_csv

from tunesmith.bundle.parity import prove_reload
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.runtimes.torch import load_model
from tunesmith.cli import main
from tunesmith.core.artefacts import Parity
from tunesmith.core.errors import BundleError
from tunesmith.pipeline.learn import LearnOptions, learn
from tunesmith.testing import toy_rows

APART = (*LEARNS, "evaluation.baselines=false")
QUICK = (*APART, "training.epochs=1")


def chinese(n: int, seed: int = 5) -> list[dict[str, Any]]:
    """Chinese rows of one class that the English bundle has, and one that it has not."""
    things = ["房间", "手机", "快递"]
    asked = [f"请问{seed * 1000 + i}号的{things[i % 3]}在哪里呢？" for i in range(n // 2)]
    told = [{**row, "label": "positive"} for row in toy_rows("zh", n - n // 2, seed=seed)]
    return [row for text, other in zip(asked, told, strict=True) for row in ({"text": text, "label": "疑问"}, other)]


@pytest.fixture(scope="module")
def place(files: dict[str, Path], models: dict[str, str], tmp_path_factory: Any) -> Iterator[dict[str, Path]]:
    """An English bundle, and one that learned Chinese apart; reloads are taken on trust here."""
    from tunesmith import tune

    with pytest.MonkeyPatch.context() as patch:
        trusted = Parity("save and reload", 1, 0.0, 1.0, 1e-4, True)
        patch.setattr("tunesmith.pipeline.save.prove_reload", lambda *args: trusted)
        folder = tmp_path_factory.mktemp("apart")
        # A tiny model whose backbone is tuned has nothing left but its own classes.
        tune(
            str(files["en"]),
            f"model={models['bert']}",
            f"bundle={folder / 'en'}",
            "method=head",
            *LEARNS,
            "training.epochs=30",
        )
        new = write_csv(folder / "new.csv", chinese(160))
        options = LearnOptions(str(files["en"]), apart=True)
        learn(folder / "en", str(new), [f"bundle={folder / 'both'}", *APART], options)
        yield {"en": folder / "en", "both": folder / "both", "new": new}


def routes(bundle: Bundle, texts: list[str]) -> list[int]:
    predictor = bundle.predictor(device="cpu")
    features = predictor.task.encode([{"text": t} for t in texts], bundle.processor, max_length=128, targets=False)
    batch = predictor.task.collate(features, bundle.processor)
    return [int(route) for route in predictor.runtime.forward(batch)["route"]]


def test_nothing_is_forgotten(place: dict[str, Path]) -> None:
    parent, both = read_bundle(place["en"]), read_bundle(place["both"])
    assert both.task.labels == [*parent.task.labels, "疑问"] and both.manifest.method.name == "lora"
    found = both.report["forgetting"]
    assert found["routing"]["adapters"] == 2 and found["strategies"] == []
    assert found["routing"]["protected"]["right"] == 1.0 and found["routing"]["new"]["right"] == 1.0
    assert found["forgetting"]["value"] == pytest.approx(0, abs=1e-9) and "the router gives" in found["words"]
    assert found["new"]["after"]["accuracy"]["value"] > found["new"]["before"]["accuracy"]["value"]
    texts = [row["text"] for row in toy_rows("en", 30, seed=77)]
    assert set(routes(both, texts)) == {0}
    for was, now in zip(parent.predict(texts), both.predict(texts), strict=True):
        assert was["label"] == now["label"] and now["scores"]["疑问"] == 0.0
        assert all(now["scores"][label] == score for label, score in was["scores"].items()), "to the last bit"
    held = chinese(30, seed=78)
    assert set(routes(both, [row["text"] for row in held])) == {1}
    answers = both.predict([row["text"] for row in held])
    assert sum(a["label"] == row["label"] for a, row in zip(answers, held, strict=True)) > 24


def test_the_base_is_kept_once(place: dict[str, Path]) -> None:
    files = {name: record.bytes for name, record in read_bundle(place["both"]).manifest.files.items()}
    assert "base/model.safetensors" in files and "model.safetensors" not in files
    base = files["base/model.safetensors"]
    assert {"routes/1/adapter.safetensors", "routes/1/adapter.json", "routes/router.safetensors"} <= set(files)
    model = load_model(read_bundle(place["both"]))
    kept = {id(p) for p in model.parameters()}
    assert sum(p.numel() for p in model.looking.base.parameters()) * 4 <= base + 4096
    assert sum(id(p) in kept for p in model.adapters[0].parameters() if not p.requires_grad) > 10
    assert sum(p.numel() for p in model.parameters()) < 2 * sum(p.numel() for p in model.looking.base.parameters())
    card = (place["both"] / "README.md").read_text("utf-8")
    assert "routes/" in card and "transformers import pipeline" not in card


def test_a_fresh_process_answers_alike(place: dict[str, Path]) -> None:
    both = read_bundle(place["both"])
    rows = [{"text": row["text"]} for row in [*toy_rows("en", 6, seed=3), *chinese(6, seed=3)]]
    features, arrays = both.predictor(device="cpu").outputs(rows)
    assert prove_reload(both.path, rows, arrays, both.task.decode(arrays, features)).passed


@pytest.mark.parametrize("method", ["adapter", "head", "ia3", "prefix"])
def test_a_third_task(
    place: dict[str, Path], files: dict[str, Path], tmp_path: Path, near_reload: None, method: str
) -> None:
    rows = [{"text": f"{i} + {i % 7} = {i + i % 7} * {i}", "label": ["odd", "even"][i % 2]} for i in range(60)]
    new = write_csv(tmp_path / "sums.csv", rows)
    both = read_bundle(place["both"])
    held = write_csv(tmp_path / "held.csv", [*toy_rows("en", 20, seed=9), *chinese(20, seed=9)])
    options = LearnOptions(str(held), apart=True)
    third = learn(place["both"], str(new), [f"bundle={tmp_path / 'third'}", *QUICK, f"method={method}"], options)
    assert third.task.labels == [*both.task.labels, "even", "odd"] or third.task.labels[-2:] == ["odd", "even"]
    assert third.report["forgetting"]["routing"]["adapters"] == 3
    texts = [row["text"] for row in [*toy_rows("en", 10, seed=11), *chinese(10, seed=11)]]
    assert routes(third, texts) == routes(both, texts) == [0] * 10 + [1] * 10
    assert set(routes(third, [row["text"] for row in rows[:10]])) == {2}
    for was, now in zip(both.predict(texts), third.predict(texts), strict=True):
        assert was["label"] == now["label"]
        assert all(now["scores"][k] == pytest.approx(v, abs=1e-6) for k, v in was["scores"].items())


def test_broken_files_are_told(place: dict[str, Path], tmp_path: Path) -> None:
    cases: list[tuple[str, Callable[[Path], Any], str]] = [
        ("routes/router.safetensors", lambda p: p.write_bytes(b"\x08"), "router"),
        ("routes/router.safetensors", lambda p: p.unlink(), "router"),
        ("routes/1/adapter.json", lambda p: p.write_text("{}"), "adapter.json"),
    ]
    for i, (name, harm, told) in enumerate(cases):
        copy = shutil.copytree(place["both"], tmp_path / str(i))
        harm(copy / name)
        with pytest.raises(BundleError, match=Path(name).name):
            read_bundle(copy)
        # past the hashes, too: a bundle that is read without them
        with pytest.raises(BundleError, match=told):
            load_model(Bundle(copy, read_bundle(place["both"]).manifest))


def test_what_makes_no_sense(
    place: dict[str, Path], files: dict[str, Path], members: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    def refused(bundle: Path, *arguments: str) -> str:
        given = [str(bundle), str(place["new"]), "--protect", str(files["en"]), f"bundle={tmp_path / 'no'}"]
        capsys.readouterr()
        assert main(["learn", *given, *arguments]) == 2
        return str(capsys.readouterr().err)

    assert "an adapter for each task" in refused(place["both"])
    assert "beside --apart" in refused(place["en"], "--apart", "--strategy", "replay")
    assert "does not only add weights" in refused(place["en"], "--apart", "method=full")
    assert "placement houlsby" in refused(place["en"], "--apart", "method={name: adapter, placement: houlsby}")
    assert "moves a part" in refused(place["en"], "--apart", "method={name: lora, start: pissa}")
    everyone = tmp_path / "all"
    assert main(["ensemble", str(members["one"]), str(members["lora"]), "--how", "equal", f"bundle={everyone}"]) == 0
    assert "is an ensemble" in refused(everyone, "--apart")
    assert main(["soup", str(place["both"]), str(place["both"])]) == 2
    assert "has no model.safetensors" in capsys.readouterr().err


def test_from_the_command_line(place: dict[str, Path], files: dict[str, Path], tmp_path: Path, capsys: Any) -> None:
    """With a real reload."""
    given = [str(place["en"]), str(place["new"]), "--protect", str(files["en"]), f"bundle={tmp_path / 'cli'}"]
    capsys.readouterr()
    assert main(["learn", *given, "--apart", *QUICK, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["method"] == "lora" and told["forgetting"]["routing"]["new"]["right"] == 1.0
    assert main(["predict", told["bundle"], "房间很干净", "the room is clean", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["predictions"]) == 2


def test_several_labels_and_another_family(models: dict[str, str], tmp_path: Path, near_reload: None) -> None:
    """DistilBERT has no mean layer; long texts have windows; rows of several labels have no one class."""
    from tunesmith import tune

    def file(name: str, rows: list[dict[str, Any]], more: str) -> Path:
        told = [
            {"text": r["text"], "labels": [r["label"], more] if i % 3 else [r["label"]]} for i, r in enumerate(rows)
        ]
        path = tmp_path / name
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in told), "utf-8")
        return path

    old = file("old.jsonl", toy_rows("zh", 120), "长")
    new = file("new.jsonl", toy_rows("en", 120), "long")
    base = (f"model={models['distilbert']}", f"bundle={tmp_path / 'zh'}", "task=multi-label-classification")
    parent = tune(str(old), *base, *QUICK)
    given = [f"bundle={tmp_path / 'both'}", *QUICK]
    both = learn(parent.path, str(new), given, LearnOptions(str(old), apart=True))
    assert both.task.labels[:3] == parent.task.labels and len(both.task.labels) == 6
    long = "。".join(row["text"] for row in toy_rows("zh", 60, seed=41))
    texts = [long, *(row["text"] for row in toy_rows("zh", 10, seed=42))]
    right = [i for i, route in enumerate(routes(both, texts[1:]), 1) if not route]
    assert len(right) > 8
    for was, now in zip(parent.predict(texts), both.predict(texts), strict=True):
        assert set(now["scores"]) == set(both.task.labels) and set(was["scores"]) == set(parent.task.labels)
    for i in right:
        was, now = parent.predict(texts)[i], both.predict(texts)[i]
        assert was["labels"] == now["labels"] and all(now["scores"][k] == v for k, v in was["scores"].items())

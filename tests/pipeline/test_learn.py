"""``tunesmith learn`` from the command line: new classes, the old head kept, forgetting measured, the gate, lineage."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_files import LEARNS, write_csv

from tunesmith.bundle.drift.baseline import read_baseline
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.cli import main
from tunesmith.core.artefacts import Parity
from tunesmith.core.registry import family
from tunesmith.pipeline.candidate import candidate
from tunesmith.pipeline.known import known_by
from tunesmith.pipeline.smaller import smaller
from tunesmith.testing import toy_rows

Learn = Callable[..., tuple[int, Any, str]]
NEW = {"en": "question", "zh": "疑问"}
ASKED = {"en": "Where can we find the {s}, please, number {n}?", "zh": "请问{s}在哪里可以找到，编号{n}吗？"}
THINGS = {"en": ["room", "staff", "film", "phone", "book"], "zh": ["房间", "服务", "电影", "手机", "快递"]}


def questions(language: str, n: int) -> list[dict[str, Any]]:
    draw = random.Random(7)
    made = [ASKED[language].format(s=draw.choice(THINGS[language]), n=draw.randint(2, 99999)) for _ in range(n)]
    return [{"text": text, "label": NEW[language]} for text in dict.fromkeys(made)]


@pytest.fixture(scope="module")
def parents(files: dict[str, Path], models: dict[str, str], tmp_path_factory: Any) -> Iterator[dict[str, Path]]:
    """A bundle of two classes in each language; reloads are taken on trust here."""
    from tunesmith import tune

    with pytest.MonkeyPatch.context() as patch:
        trusted = Parity("save and reload", 1, 0.0, 1.0, 1e-4, True)
        patch.setattr("tunesmith.pipeline.save.prove_reload", lambda *args: trusted)
        place = tmp_path_factory.mktemp("parents")
        for language in ("en", "zh"):
            tune(str(files[language]), f"model={models['bert']}", f"bundle={place / language}", *LEARNS)
        yield {language: place / language for language in ("en", "zh")}


@pytest.fixture
def news(tmp_path: Path) -> dict[str, Path]:
    """Rows of a class that the bundles do not know, among some of those that they do."""
    return {
        language: write_csv(tmp_path / f"new-{language}.csv", questions(language, 90) + toy_rows(language, 20, seed=5))
        for language in ("en", "zh")
    }


@pytest.fixture
def learn(parents: dict[str, Path], near_reload: None, tmp_path: Path, capsys: Any) -> Learn:
    """(language, new file, protected file, arguments) -> exit code, JSON, stderr."""

    def go(language: str, new: Any, protect: Any, *arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        given = [str(parents[language]), str(new), "--protect", str(protect), f"bundle={tmp_path / 'grown'}"]
        code = main(["learn", *given, "training.epochs=14", "evaluation.baselines=false", *arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return go


def weights(bundle: Bundle) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(bundle.path / "model.safetensors"))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_new_class(
    learn: Learn, parents: dict[str, Path], files: dict[str, Path], news: dict[str, Path], tmp_path: Path, language: str
) -> None:
    code, told, err = learn(language, news[language], files[language], "--strategy", "none", "training.epochs=28")
    assert code == 0, err
    found, parent, grown = told["forgetting"], read_bundle(parents[language]), read_bundle(tmp_path / "grown")
    assert grown.task.labels == [*parent.task.labels, NEW[language]] and found["new_classes"] == [NEW[language]]
    assert grown.manifest.lineage.parent == parent.manifest.to_json()["seal"] == found["parent"]["seal"]
    assert found["protected"]["rows"] == 24 and "its test rows" in found["note"], "never learned from, then or now"
    was = parent.report["metrics"]["macro_f1"]["value"]
    assert found["protected"]["before"]["macro_f1"]["value"] == pytest.approx(was, abs=1e-6)
    assert found["forgetting"]["value"] == pytest.approx(
        found["protected"]["before"]["macro_f1"]["value"] - found["protected"]["after"]["macro_f1"]["value"]
    )
    assert {"macro_f1", "accuracy"} <= set(found["protected"]["compared"])
    assert found["new"]["after"]["accuracy"]["value"] > found["new"]["before"]["accuracy"]["value"]
    assert "protected rows" in found["words"] and found["strategies"] == []
    assert "What it knew before" in (grown.path / "report.html").read_text("utf-8")
    answers = grown.predict([row["text"] for row in questions(language, 30)])
    assert sum(a["label"] == NEW[language] for a in answers) > 20


def test_a_cut_of_it_keeps_its_classes_in_their_order(learn: Learn, files: dict[str, Path], tmp_path: Path) -> None:
    """The new file alone has other classes, and would sort them otherwise."""
    some = [row for row in toy_rows("en", 60, seed=5) if row["label"] == "positive"]
    rows = [*({**row, "label": "asks"} for row in questions("en", 60)), *some]
    code, _, err = learn("en", write_csv(tmp_path / "new.csv", rows), files["en"], "training.epochs=2")
    assert code == 0, err
    parent = read_bundle(tmp_path / "grown")
    made = smaller(parent.path, [f"bundle={tmp_path / 'small'}"], vocabulary=["en"])
    assert made.task.state["labels"] == ["negative", "positive", "asks"] == parent.task.state["labels"]
    texts = [row["text"] for row in (*toy_rows("en", 8, seed=9), *rows[:8])]
    for own, other in zip(made.predict(texts), parent.predict(texts), strict=True):
        assert own["scores"] == pytest.approx(other["scores"], abs=1e-5)
    assert any("there are no rows here" in note for note in made.report["data_notes"])


def test_the_old_head_is_where_it_starts(
    parents: dict[str, Path], files: dict[str, Path], news: dict[str, Path], tmp_path: Path
) -> None:
    """Before a step is taken, the answers over the old classes are the old bundle's own."""
    from tunesmith.models.build import build
    from tunesmith.models.heads.grow import keep_rows
    from tunesmith.pipeline.learn import go_on_from
    from tunesmith.pipeline.plan import plan
    from tunesmith.pipeline.protected import as_recipe, protected

    parent = read_bundle(parents["en"])
    planned = plan(as_recipe(parent, str(news["en"]), [], str(tmp_path / "none")))
    go_on_from(planned, parent, protected(parent, str(files["en"])))
    model: Any = build(planned.reference, planned.task)
    assert keep_rows(model, parent.path) == 1
    old = weights(parent)
    for name, tensor in model.state_dict().items():
        new = tensor.numpy()
        if name in ("classifier.weight", "classifier.bias"):
            assert len(new) == 3
            np.testing.assert_array_equal(new[:2], old[name])
        else:
            np.testing.assert_array_equal(new, old[name], err_msg=name)


@pytest.mark.skipif("replay" not in family("strategies"), reason="replay is not there")
def test_replay_is_the_default_and_sees_no_measured_row(
    learn: Learn, files: dict[str, Path], news: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.pipeline import learn as module

    seen: dict[str, Any] = {}
    real = module.go_on_from

    def spied(planned: Any, parent: Any, old: Any) -> None:
        real(planned, parent, old)
        seen.update(rows=planned.strategies[0].rows, measured=old.measured, recipe=planned.recipe)

    monkeypatch.setattr(module, "go_on_from", spied)
    code, told, err = learn("en", news["en"], files["en"])
    assert code == 0, err
    assert told["forgetting"]["strategies"] == ["replay"]
    replayed, measured = ({row["text"] for row in seen[key]} for key in ("rows", "measured"))
    assert replayed and measured and not replayed & measured
    assert seen["recipe"].training.strategies[0].options == {"path": str(files["en"])}, "no row stands in the recipe"


def test_what_was_protected_is_watched_and_asked_for_as_rows_that_were_not_learned(
    learn: Learn, parents: dict[str, Path], files: dict[str, Path], news: dict[str, Path], tmp_path: Path
) -> None:
    """Its old rows go on coming: they are no drift. The gate leaves out those that were replayed."""
    code, told, err = learn("zh", news["zh"], files["zh"], "training.epochs=1", "data.split.test=0.3")
    assert code == 0, err
    kept, new = (told["forgetting"][side]["rows"] for side in ("protected", "new"))
    baseline = read_baseline(tmp_path / "grown")
    assert baseline is not None and baseline.rows == kept + new >= 50
    asked = candidate(parents["zh"], tmp_path / "grown", str(news["zh"]), str(files["zh"]))
    assert asked["protected"]["rows"] == kept == 24
    others = toy_rows("zh", 60, seed=99)
    known = known_by(read_bundle(tmp_path / "grown"))
    assert known is not None
    again = int(known.trained(others).sum())
    file = write_csv(tmp_path / "others.csv", others)
    assert candidate(parents["zh"], tmp_path / "grown", str(news["zh"]), str(file))["protected"]["rows"] == 60 - again
    both = candidate(parents["zh"], tmp_path / "grown", str(news["zh"]), str(news["zh"]))
    assert both["protected"]["rows"] == both["held"]["rows"] >= new, (
        "a file with classes that the old bundle lacks is compared, as any other; what was trained on is left out"
    )


@pytest.mark.parametrize("name", [n for n in ("ewc", "lwf") if n in family("strategies")])
def test_other_strategies(learn: Learn, files: dict[str, Path], tmp_path: Path, name: str) -> None:
    more = write_csv(tmp_path / "more.csv", toy_rows("zh", 40, seed=5))
    code, told, err = learn("zh", more, files["zh"], "--strategy", name, "training.epochs=1")
    assert code == 0, err
    assert told["forgetting"]["strategies"] == [name]


def test_the_gate(learn: Learn, files: dict[str, Path], news: dict[str, Path], tmp_path: Path) -> None:
    swapped = {"negative": "positive", "positive": "negative"}
    rows = [{**row, "label": swapped[row["label"]]} for row in toy_rows("en", 240, seed=5)]
    file = write_csv(tmp_path / "swapped.csv", rows)
    arguments = ("--strategy", "none", "data.split.validation=0.4")
    code, told, err = learn("en", file, files["en"], *arguments, "--max-forgetting", "0.02")
    assert code == 2 and "More is forgotten than --max-forgetting 0.02 allows" in err
    assert not (tmp_path / "grown").exists() and len(err.strip().splitlines()[-2:]) == 2
    (report,) = tmp_path.glob(".grown.run-*/report.json")
    assert json.loads(report.read_text("utf-8"))["forgetting"]["forgetting"]["value"] > 0.02
    code, told, err = learn("en", file, files["en"], *arguments)
    assert code == 0 and told["forgetting"]["protected"]["compared"]["macro_f1"]["verdict"] == "worse", err
    assert "it has forgotten" in told["forgetting"]["words"]


def test_other_rows_are_protected(
    learn: Learn, news: dict[str, Path], rows: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    met = {row["text"] for row in rows["en"]}
    unmet = [row for row in toy_rows("en", 120, seed=99) if row["text"] not in met]
    others = write_csv(tmp_path / "others.csv", unmet[:60])
    code, told, err = learn("en", news["en"], others, "--strategy", "none", "training.epochs=1")
    assert code == 0, err
    assert told["forgetting"]["protected"]["rows"] == 30 and "half of its rows" in told["forgetting"]["note"]


def test_a_frozen_backbone_learns_too(
    files: dict[str, Path],
    models: dict[str, str],
    news: dict[str, Path],
    tmp_path: Path,
    near_reload: None,
    capsys: Any,
) -> None:
    from tunesmith import tune

    parent = tune(str(files["en"]), f"model={models['bert']}", f"bundle={tmp_path / 'head'}", "method=head", *LEARNS)
    capsys.readouterr()
    given = [str(parent.path), str(news["en"]), "--protect", str(files["en"]), "--strategy", "none"]
    assert main(["learn", *given, "evaluation.baselines=false", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bundle"] == str(tmp_path / "head-2") and told["method"] == "head"
    assert set(told["forgetting"]["protected"]["compared"]) >= {"macro_f1", "accuracy"}


@pytest.mark.parametrize(
    "method", ["prefix", "{name: adapter, placement: pfeiffer}", "{name: adapter, placement: houlsby}"]
)
def test_what_stands_beside_a_base_learns_on(
    files: dict[str, Path],
    models: dict[str, str],
    news: dict[str, Path],
    tmp_path: Path,
    near_reload: None,
    capsys: Any,
    method: str,
) -> None:
    from tunesmith import tune

    given = (f"model={models['bert']}", f"bundle={tmp_path / 'p'}", f"method={method}", *LEARNS, "training.epochs=3")
    parent = tune(str(files["zh"]), *given)
    capsys.readouterr()
    words = [str(parent.path), str(news["zh"]), "--protect", str(files["zh"]), "--strategy", "none", "--json"]
    still = ("training.learning_rate=1e-12", "training.head_learning_rate=1e-12", "training.epochs=1")
    assert main(["learn", *words, *still, f"bundle={tmp_path / 'still'}"]) == 0
    found = json.loads(capsys.readouterr().out)["forgetting"]
    assert found["new_classes"] == [NEW["zh"]]
    texts = [row["text"] for row in toy_rows("zh", 12, seed=31)]
    old, grown = parent.predict(texts), read_bundle(tmp_path / "still").predict(texts)
    for was, now in zip(old, grown, strict=True):  # among the old classes it answers as before
        known = sum(now["scores"][label] for label in was["scores"])
        assert all(now["scores"][k] / known == pytest.approx(v, abs=1e-4) for k, v in was["scores"].items())
    assert main(["learn", *words, "evaluation.baselines=false", "training.epochs=6", f"bundle={tmp_path / 'q'}"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (tmp_path / "q" / "base").is_dir() and told["forgetting"]["new_classes"] == [NEW["zh"]]
    assert main(["learn", *words, "method=lora", f"bundle={tmp_path / 'r'}"]) == 2
    assert "would begin without it" in capsys.readouterr().err


@pytest.mark.parametrize("language", ["en", "zh"])
def test_new_kinds_of_spans(
    models: dict[str, str], tmp_path: Path, near_reload: None, capsys: Any, language: str
) -> None:
    from tunesmith import tune

    names, places = ({"en": ("Ann", "Bob"), "zh": ("张三", "李四")}[language], {"en": "Paris", "zh": "北京"}[language])

    def spans(n: int, *, with_place: bool) -> Path:
        rows = []
        for i in range(n):
            name = names[i % 2]
            text = f"{name} {i} " + ({"en": "went to", "zh": "去了"}[language] + f" {places}" if with_place else "ok")
            found = [{"start": 0, "end": len(name), "label": "PER"}]
            start = text.find(places)
            found += [{"start": start, "end": start + len(places), "label": "LOC"}] if start >= 0 else []
            rows.append({"text": text, "spans": found})
        file = tmp_path / f"{language}-{with_place}.jsonl"
        file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
        return file

    old, new = spans(60, with_place=False), spans(61, with_place=True)
    quick = [*(s for s in LEARNS if "epochs" not in s), "training.epochs=1", "evaluation.baselines=false"]
    parent = tune(str(old), "task=token-classification", f"model={models['bert']}", f"bundle={tmp_path / 's'}", *quick)
    capsys.readouterr()
    code = main(["learn", str(parent.path), str(new), "--protect", str(old), "--strategy", "none", *quick, "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    told = json.loads(out)
    assert told["forgetting"]["new_classes"] == ["LOC"]
    assert read_bundle(told["bundle"]).task.labels == ["PER", "LOC"]


def test_a_grown_bundle_is_not_reproduced(
    learn: Learn, files: dict[str, Path], news: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    assert learn("en", news["en"], files["en"], "--strategy", "none", "training.epochs=1")[0] == 0
    assert main(["reproduce", str(tmp_path / "grown")]) == 2
    assert "was made from other bundles" in capsys.readouterr().err


def test_mistakes_in_two_lines(
    learn: Learn, parents: dict[str, Path], files: dict[str, Path], news: dict[str, Path], tmp_path: Path, capsys: Any
) -> None:
    strangers = write_csv(tmp_path / "strangers.csv", [{**r, "label": r["label"] + "!"} for r in toy_rows("en", 40)])
    cases = [
        (lambda: learn("en", news["en"], files["en"], "--strategy", "replai"), 'There is no strategy "replai"'),
        (lambda: learn("en", news["en"], tmp_path / "none.csv"), "none.csv"),
        (lambda: learn("en", news["en"], strangers), "which the bundle does not know"),
        (lambda: learn("en", news["en"], files["en"], "--max-forgetting", "-1"), "must be 0 or more"),
    ]
    for run, told in cases:
        code, answer, err = run()
        assert code == 2 and told in err and answer["error"], err
        assert [line.partition(":")[0] for line in err.strip().splitlines()[-2:]] == ["error", "hint"]
    assert main(["learn", str(parents["en"]), str(news["en"])]) == 2
    assert "--protect is missing" in capsys.readouterr().err


def test_help(capsys: Any) -> None:
    assert main(["learn", "--help"]) == 0
    assert "tunesmith learn out/reviews new.csv --protect" in capsys.readouterr().out

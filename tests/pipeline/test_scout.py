"""``tunesmith scout`` from the command line: the ladder in a budget, test rows untouched, a recipe that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy_files import LEARNS, write_csv

from tunesmith.cli import main
from tunesmith.cli.frame import emit
from tunesmith.cli.scout import _page
from tunesmith.core.recipe import Recipe
from tunesmith.pipeline import scout as module
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.scout import set_apart

Scout = Callable[..., tuple[int, Any, str]]
FEW = ("training.epochs=4", *(s for s in LEARNS if "epochs" not in s))


@pytest.fixture
def scout(models: dict[str, str], capsys: Any) -> Scout:
    """(file, arguments) -> exit code, JSON, stderr."""

    def go(file: Any, *arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = main(["scout", str(file), f"model={models['bert']}", *FEW, *arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return go


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_ladder(scout: Scout, files: dict[str, Path], tmp_path: Path, language: str) -> None:
    page = tmp_path / "scout.html"
    code, told, err = scout(files[language], "--budget", "30m", "--report", str(page))
    assert code == 0, err
    rungs = {rung["key"]: rung for rung in told["rungs"]}
    assert list(rungs) == ["majority", "tfidf", "zero_shot", "head", "few_shot", "lora", "full"]
    tried = {key: rung for key, rung in rungs.items() if not rung["skipped"]}
    assert {"majority", "tfidf", "zero_shot", "head", "lora", "full"} <= set(tried), err
    for rung in tried.values():
        assert {"value", "low", "high"} == set(rung["figures"]["macro_f1"]) and rung["seconds"] >= 0
    assert tried["tfidf"]["value"] > tried["majority"]["value"]
    assert [rung["beside_best"] for rung in tried.values()].count("best") == 1
    as_good = [rung for rung in tried.values() if rung["beside_best"] != "worse"]
    assert told["pick"] == min(as_good, key=lambda rung: rung["seconds"])["key"]
    assert told["rows"]["test (untouched)"] == 24 and sum(told["rows"].values()) == 160
    text = page.read_text("utf-8")
    assert "<svg" in text and "LoRA" in text and "http://" not in text.replace("http://www.w3.org", "")
    planned = plan(Recipe.parse({**told["recipe"], "bundle": str(tmp_path / "ready")}))
    assert planned.method.name == Recipe.parse(told["recipe"]).method.name
    assert len(planned.data.test) == 24, "the same test rows as without a scout"
    assert yaml.safe_load(text.partition("<pre>")[2].partition("</pre>")[0].replace("&#x27;", "'")) == told["recipe"]


def test_the_test_rows_stay_untouched(
    scout: Scout, files: dict[str, Path], models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = plan(
        Recipe.parse({"data": str(files["en"]), "model": models["bert"], "bundle": str(tmp_path / "b")})
    ).data.test
    seen: list[str] = []
    real = module._made

    def spied(candidate: Any, field: Any, base: Any) -> Any:
        data = field.data
        seen.extend(row["text"] for row in [*data.train, *data.validation, *data.test, *field.every])
        return real(candidate, field, base)

    monkeypatch.setattr(module, "_made", spied)
    monkeypatch.setattr(module, "LADDER", tuple(c for c in module.LADDER if c.key in ("baselines", "head")))
    code, told, err = scout(files["en"])
    assert code == 0 and len(told["rungs"]) == 3, err
    assert seen and not {row["text"] for row in test} & set(seen)


def test_what_does_not_fit_is_said(scout: Scout, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.pipeline.scout_rungs import TrainedRung

    monkeypatch.setattr(TrainedRung, "predict", lambda self: 5000.0)
    code, told, err = scout(files["en"], "--budget", "10m")
    assert code == 0, err
    rungs = {rung["key"]: rung for rung in told["rungs"]}
    for key in ("head", "lora", "full"):
        assert rungs[key]["skipped"].startswith("it would take about 1 h 23 min, and ") and rungs[key]["value"] is None
        assert rungs[key]["predicted"] == 5000.0
    assert told["to_tune"] is None and told["recipe"] is None and "Not tried: a head on frozen" in told["words"]


def test_a_rung_without_memory_is_left_out(
    scout: Scout, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.pipeline.scout_rungs import TrainedRung

    def no_room(self: Any) -> float:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(TrainedRung, "predict", no_room)
    code, told, err = scout(files["en"])
    assert code == 0, err
    skipped = {rung["key"]: rung["skipped"] for rung in told["rungs"]}
    assert skipped["lora"] == skipped["full"] == "The memory is full" and not skipped["tfidf"]


def test_a_step_is_timed_with_all_of_its_batches(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.pipeline.scout_rungs import TrainedRung
    from tunesmith.search.ladder import LADDER

    rows: list[int] = []

    def timed(self: Any, planned: Any) -> Any:
        rows.append(len(planned.data.train))
        raise InterruptedError

    monkeypatch.setattr(TrainedRung, "_tried", timed)
    for accumulate in (1, 4):
        steps = ["training.epochs=4", "training.batch_size=4", f"training.accumulate={accumulate}"]
        recipe = Recipe.parse({"data": str(files["en"]), "model": models["bert"]}, steps)
        base = plan(module._with_more_validation(recipe, str(tmp_path)))
        rung = TrainedRung(module._field(recipe, base), next(c for c in LADDER if c.key == "full"))
        with pytest.raises(InterruptedError):
            rung.predict()
    assert rows[0] == 16 < rows[1] and rows[1] % 16 == 0, "whole steps"


def test_the_prediction_is_near(files: dict[str, Path], models: dict[str, str], tmp_path: Path) -> None:
    from tunesmith.pipeline.scout_rungs import TrainedRung
    from tunesmith.search.ladder import LADDER

    recipe = Recipe.parse({"data": str(files["en"]), "model": models["bert"]}, FEW)
    base = plan(module._with_more_validation(recipe, str(tmp_path)))
    rung = TrainedRung(module._field(recipe, base), next(c for c in LADDER if c.key == "full"))
    predicted, done = rung.predict(), rung.run()
    assert done.seconds / 20 < predicted < done.seconds * 20


def test_a_cost_is_that_of_a_first_run(files: dict[str, Path], models: dict[str, str], tmp_path: Path) -> None:
    from tunesmith.models import features
    from tunesmith.pipeline.scout_rungs import TrainedRung, ZeroShotRung

    recipe = Recipe.parse({"data": str(files["zh"]), "model": models["bert"]}, FEW)
    field = module._field(recipe, plan(module._with_more_validation(recipe, str(tmp_path))))
    computed: list[int] = []
    real = features._compute
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_compute", lambda *a: (computed.append(len(a[1])), real(*a))[1])
        for candidate, rung in (("zero_shot", ZeroShotRung), ("head", TrainedRung), ("head", TrainedRung)):
            made = rung(field, next(c for c in module.LADDER if c.key == candidate))
            made.predict()
            computed.clear()
            made.run()
            assert len(field.data.test) in computed, "no vector of an earlier rung was found"


def test_labels_that_say_nothing(scout: Scout, rows: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    names = {"negative": "0", "positive": "1"}
    file = write_csv(tmp_path / "n.csv", [{**row, "label": names[row["label"]]} for row in rows["en"]])
    monkeypatch.setattr(module, "LADDER", tuple(c for c in module.LADDER if c.key == "zero_shot"))
    code, told, err = scout(file)
    assert code == 0 and told["rungs"][-1]["skipped"] == "the labels' names say nothing: 0, 1", err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--budget", "soon"), "which is no time"),
        (("method=lora",), "tries methods and strategies by itself"),
        (("training.epoch=3",), 'Did you mean "epochs"'),
        (("data.label=stars",), "stars"),
    ],
)
def test_mistakes_in_two_lines(scout: Scout, files: dict[str, Path], arguments: tuple[str, ...], told: str) -> None:
    code, answer, err = scout(files["en"], *arguments)
    assert code == 2 and told in err and len(err.strip().splitlines()) == 2 and answer["error"]


def test_rows_set_apart() -> None:
    rows = [{"text": str(i), "label": "ab"[i % 2]} for i in range(100)]
    train, apart = set_apart(rows, 13)
    assert len(apart) == 10 and len(train) == 90 and {row["label"] for row in apart} == {"a", "b"}
    assert set_apart(rows[:30], 13) == (rows[:30], [])


def test_help_and_the_page_for_a_person(
    models: dict[str, str], files: dict[str, Path], capsys: Any, monkeypatch: Any
) -> None:
    assert main(["scout", "--help"]) == 0
    assert "tunesmith scout reviews.csv --budget 10m" in capsys.readouterr().out
    monkeypatch.setattr(module, "LADDER", tuple(c for c in module.LADDER if c.key in ("baselines", "head")))
    assert main(["scout", str(files["zh"]), f"model={models['bert']}", *FEW]) == 0
    out = capsys.readouterr().out
    assert "a head on frozen embeddings" in out and "recipe (save it" in out and "The pick is" in out


def test_the_recipe_is_printed_as_it_is_to_be_saved(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    recipe = {"data": "/home/someone/a/long/way/to/my/texts/影评.csv", "task": {"labels": ["[好]", "[red]"]}}
    found = {"metric": "macro_f1", "rungs": [], "rows": {"train": 9}, "words": "The pick is one.", "recipe": recipe}
    emit(found, False, _page)
    printed = capsys.readouterr().out.partition("tune recipe.yaml)")[2]
    assert yaml.safe_load(printed) == recipe and str(recipe["data"]) in printed

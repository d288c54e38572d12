"""``tunesmith search`` from the command line: trials, resumed after a kill -9, in parallel, and the best run whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_files import QUICK

from tunesmith.cli import main
from tunesmith.search.study import Study

pytest.importorskip("optuna")
Search = Callable[..., tuple[int, Any, str]]
SPACE = "search.space={training.learning_rate: [1e-4, 1e-2, log], training.batch_size: [8, 16, 32]}"
FEW = ("training.epochs=5", *(s for s in QUICK if "training.learning_rate" not in s and "epochs" not in s))

KILLER = """
import os, signal, sys
from tunesmith.search.study import Study

evaluated = Study.evaluated

def dies(self, trial, number, step, value):
    found = evaluated(self, trial, number, step, value)
    if trial.number == 1 and number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

Study.evaluated = dies
from tunesmith.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""Killed with -9 in the second trial, after its second evaluation."""


@pytest.fixture
def search(models: dict[str, str], tmp_path: Path, near_reload: None, capsys: Any) -> Search:
    """(file, arguments) -> exit code, JSON, stderr."""

    def go(file: Any, *arguments: str) -> tuple[int, Any, str]:
        given = ["search", str(file), f"model={models['bert']}", f"bundle={tmp_path / 'out'}", *FEW, *arguments]
        capsys.readouterr()
        code = main([*given, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return go


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_best_is_run_whole(search: Search, files: dict[str, Path], tmp_path: Path, language: str) -> None:
    code, told, err = search(files[language], SPACE, "--trials", "6", "--pruner", "none")
    assert code == 0, err
    found = told["search"]
    assert found["counts"] == {"all": 6, "complete": 6, "pruned": 0, "failed": 0}
    values = [trial["value"] for trial in found["trials"]]
    assert found["best"]["value"] == max(values) and len(set(values)) > 1
    assert set(found["importance"]) == {"training.learning_rate", "training.batch_size"}
    assert sum(found["importance"].values()) == pytest.approx(1)
    assert err.count("  trial ") == 6 and "test rows, used once" in err
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["search"]["best"] == found["best"] and report["rows"] == 24
    training = report["context"]["recipe"]["training"]
    for key, value in found["best"]["settings"].items():
        assert training[key.partition(".")[2]] == value
    reached = [h["validation"]["macro_f1"] for h in report["history"] if "validation" in h]
    assert max(reached) == found["best"]["value"], "run whole, it is the same run"
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "How its settings were found" in page and "training.batch_size" in page
    assert [p.name for p in tmp_path.iterdir()] == ["out"], "nothing is left"


def test_no_trial_sees_a_test_row(search: Search, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.pipeline import search_trials

    seen, real = [], search_trials.tried

    def spied(planned: Any, *args: Any, **options: Any) -> Any:
        seen.append((len(planned.data.test), options["measure"]))
        return real(planned, *args, **options)

    monkeypatch.setattr(search_trials, "tried", spied)
    code, _, err = search(files["en"], SPACE, "--trials", "2")
    assert code == 0, err
    assert seen == [(0, False)] * 2


def test_the_data_are_read_once(search: Search, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.pipeline import plan

    read, real = [], plan.prepared
    monkeypatch.setattr(plan, "prepared", lambda *args: (read.append(1), real(*args))[1])
    assert search(files["en"], SPACE, "--trials", "2")[0] == 0
    assert len(read) == 1


def test_without_a_space_the_defaults_are_tried_first(search: Search, files: dict[str, Path]) -> None:
    code, told, err = search(files["en"], "method=head", "--trials", "2")
    assert code == 0, err
    found = told["search"]
    assert found["defaults"]["number"] == 1
    assert found["defaults"]["settings"]["training.learning_rate"] == 5e-3
    assert "training.epochs" not in found["space"], "the recipe sets it"
    assert "task.label_smoothing" in found["space"] and "training.weight_decay" not in found["space"]


def test_a_trial_keeps_the_rows_of_a_step(
    files: dict[str, Path], models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.core.recipe import Recipe
    from tunesmith.pipeline.plan import plan
    from tunesmith.pipeline.search import _decided
    from tunesmith.search.space import with_values
    from tunesmith.tasks.text_classification import TextClassification

    monkeypatch.setattr(TextClassification, "training", {"batch_size": 4, "accumulate": 8})
    given = {"data": str(files["zh"]), "model": models["bert"], "bundle": str(tmp_path / "none")}
    for own, wanted in (({}, 8), ({"accumulate": 2}, 2), ({"batch_size": 16}, 1)):
        recipe = Recipe.parse({**given, "training": own})
        values = with_values(_decided(recipe, plan(recipe)), {"training.batch_size": 4})
        assert plan(Recipe.parse({**values, "bundle": given["bundle"]})).recipe.training.accumulate == wanted


def test_given_up_early(search: Search, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optuna.trial.Trial.should_prune", lambda trial: trial.number == 1)
    code, told, err = search(files["en"], SPACE, "--trials", "3", "--sampler", "random")
    assert code == 0, err
    found = told["search"]
    assert [trial["state"] for trial in found["trials"]] == ["complete", "pruned", "complete"]
    given_up = found["trials"][1]
    assert given_up["whole_seconds"] == pytest.approx(5 * given_up["seconds"], rel=0.3), "one epoch of five was done"
    assert found["saved_seconds"] == pytest.approx(given_up["whole_seconds"] - given_up["seconds"], abs=0.01)
    assert "given up" in err and found["best"]["number"] != 2


def test_trials_that_fail(search: Search, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from tunesmith.core.errors import TrainingError
    from tunesmith.pipeline import search_trials

    real, calls = search_trials.tried, []

    def sometimes(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise TrainingError("The loss is not a number at step 3.")
        return real(*args, **options)

    monkeypatch.setattr(search_trials, "tried", sometimes)
    code, told, _ = search(files["en"], SPACE, "--trials", "3")
    assert code == 0 and told["search"]["counts"] == {"all": 3, "complete": 2, "pruned": 0, "failed": 1}
    assert told["search"]["trials"][1]["error"] == "The loss is not a number at step 3."

    calls.clear()
    monkeypatch.setattr(search_trials, "tried", lambda *a, **o: (_ for _ in ()).throw(TrainingError("No room.")))
    code, told, err = search(files["en"], SPACE, "--trials", "20", "--replace")
    assert code == 2 and "None of 3 trials" in err and "No room." in err


def test_a_trial_without_memory_is_failed_and_the_search_goes_on(
    search: Search, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from tunesmith.core import memory
    from tunesmith.pipeline import run as module

    real, calls, released = module.train, [], []

    def sometimes(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(*args, **options)

    monkeypatch.setattr(module, "train", sometimes)
    monkeypatch.setattr(memory, "release", lambda: released.append(1))
    code, told, err = search(files["en"], SPACE, "--trials", "2")
    assert code == 0 and told["search"]["counts"] == {"all": 2, "complete": 1, "pruned": 0, "failed": 1}, err
    assert told["search"]["trials"][0]["error"] == "The memory is full." and len(released) == 2


def test_goes_on_with_more_trials(search: Search, files: dict[str, Path], tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'kept.db'}"
    first = search(files["en"], SPACE, "--storage", storage, "--trials", "2")[1]["search"]
    code, told, err = search(files["en"], SPACE, "--storage", storage, "--trials", "4", "--replace")
    assert code == 0 and told["search"]["trials"][:2] == first["trials"] and len(told["search"]["trials"]) == 4
    assert err.count("  trial ") == 2


def test_killed_it_goes_on(search: Search, files: dict[str, Path], models: dict[str, str], tmp_path: Path) -> None:
    arguments = [SPACE, "--trials", "2", "--pruner", "none", "training.checkpoint_seconds=0"]
    whole = search(files["en"], *arguments)[1]["search"]
    given = ["search", str(files["en"]), f"model={models['bert']}", f"bundle={tmp_path / 'out'}", *FEW, *arguments]
    killed = subprocess.run(
        [sys.executable, "-c", KILLER, *given, "--replace", "--json"],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stderr.count("  trial ") == 1
    code, told, err = search(files["en"], *arguments, "--replace")
    assert code == 0 and "killed in 1 of its trials" in err and err.count("  trial ") == 1
    found = told["search"]
    assert found["counts"] == whole["counts"]
    for one, other in zip(whole["trials"], found["trials"], strict=True):
        assert one["settings"] == other["settings"] and one["value"] == other["value"]
    assert not list(tmp_path.glob(".out.run-*"))


def test_in_parallel(search: Search, files: dict[str, Path]) -> None:
    code, told, err = search(files["zh"], SPACE, "--trials", "2", "--jobs", "2")
    assert code == 0, err
    assert told["search"]["counts"]["all"] == 2 and told["search"]["counts"]["failed"] == 0


def test_other_processes_get_all_but_the_test_rows(tmp_path: Path) -> None:
    from dataclasses import fields

    from shop_files import shop

    from tunesmith.core.errors import RecipeError
    from tunesmith.core.recipe import Recipe
    from tunesmith.data.prepare import prepare
    from tunesmith.pipeline.search_workers import _read, _written

    files = shop(tmp_path, "zh")
    block = {"path": str(files["log"]), "items": str(files["items"]), "users": str(files["users"])}
    data = prepare(Recipe.parse({"data": block}).data)
    with pytest.raises(RecipeError, match="Rows of recommendation cannot be handed"):
        _written(data)
    for rows in (data.train, data.validation):  # whose histories are views of the log
        rows[:] = [{key: value for key, value in row.items() if isinstance(value, str | int | float)} for row in rows]
    again = _read(json.loads(_written(data)))
    assert set(again.tables) == {"items", "users"} and data.test and again.test == []
    for field in fields(data):
        if field.name not in ("test", "source"):
            assert getattr(again, field.name) == getattr(data, field.name), field.name


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("search.space={training.learning_rat: [1e-5, 1e-3]}",), 'Did you mean "learning_rate"'),
        (("search.space={training.learning_rate: [1e-3, 1e-5]}",), "from a lower number to a higher"),
        ((SPACE, "--sampler", "tpee"), 'Did you mean "tpe"'),
        ((SPACE, "--pruner", "mediam"), 'Did you mean "median"'),
        ((SPACE, "--storage", "nosuch://x"), "cannot be opened"),
        ((SPACE, "data.split.validation=0"), "validation rows"),
    ],
)
def test_mistakes_are_told_early(
    search: Search, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.setattr(Study, "ask", lambda *a: pytest.fail("a trial was begun"))
    code, answer, err = search(files["en"], *arguments)
    assert code == 2 and told in err
    assert len(err.strip().splitlines()) == 2 and answer["error"]


def test_without_optuna(search: Search, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, _, err = search(files["en"], SPACE)
    assert code == 2 and 'pip install "tunesmith[search]"' in err


def test_help(capsys: Any) -> None:
    assert main(["search", "--help"]) == 0
    assert "tunesmith search reviews.csv --trials 20" in capsys.readouterr().out

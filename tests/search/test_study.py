"""Trials in a database: drawn alike however often it was opened, given up where others left them behind."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna")

from tunesmith.core.errors import RecipeError, TrainingError
from tunesmith.search.reporter import Pruned, Reporter
from tunesmith.search.saved import whole
from tunesmith.search.space import parse_space
from tunesmith.search.study import Study

SPACE = parse_space(
    {"training.learning_rate": [1e-5, 1e-2, "log"], "training.epochs": [1, 4], "training.batch_size": [8, 16, 32]}
)


def opened(folder: Path, **options: object) -> Study:
    return Study(f"sqlite:///{folder / 'trials.db'}", "one", SPACE, True, folder=folder, **options)  # type: ignore[arg-type]


def done(study: Study, most: int) -> None:
    """Trials that are the better the nearer their rate is to the upper end."""
    while (trial := study.ask(most)) is not None:
        study.tell(trial, trial.params["training.learning_rate"])


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp"])
def test_the_same_trials_however_often_it_is_opened(tmp_path: Path, sampler: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    done(opened(one, sampler=sampler), 6)
    for most in (2, 3, 6):
        done(opened(other, sampler=sampler), most)
    settings = [r.settings for r in opened(one).records()]
    assert settings == [r.settings for r in opened(other).records()]
    assert len(settings) == 6 and len({str(s) for s in settings}) == 6
    for s in settings:
        assert all(SPACE[key].holds(value) for key, value in s.items())


def test_what_was_killed_is_tried_again_once(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study.suggest({"training.learning_rate": 1e-3, "training.epochs": 2, "training.batch_size": 8})
    trial = study.ask(3)
    assert trial.params["training.learning_rate"] == 1e-3
    study.evaluated(trial, 1, 10, 0.5)
    again = opened(tmp_path)
    assert again.revive() == 1 and opened(tmp_path).revive() == 0
    revived = again.ask(3)
    assert revived.params == trial.params and revived.user_attrs["evaluations"] == [[10, 0.5]]
    assert revived.user_attrs["place"] == trial.user_attrs["place"]
    again.tell(revived, 0.6)
    done(again, 3)
    assert [r.state for r in again.records()] == ["complete"] * 3 and again.defaults() == 1


def test_what_another_machine_is_at_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "first")
    first = opened(tmp_path)
    trial = first.ask(3)
    monkeypatch.setattr("platform.node", lambda: "second")
    second = opened(tmp_path)
    assert second.revive() == 0 and second.elsewhere() == [f"first:{tmp_path.resolve()}"]
    first.tell(trial, 0.5)
    assert [r.state for r in second.records()] == ["complete"] and second.elsewhere() == []


def test_a_machine_that_was_named_anew_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "container-1")
    trial = opened(tmp_path).ask(3)
    monkeypatch.setattr("platform.node", lambda: "container-2")
    again = opened(tmp_path)
    assert again.revive(alone=True) == 1 and again.elsewhere() == []
    assert again.ask(3).params == trial.params


def test_given_up_where_others_were_better(tmp_path: Path) -> None:
    study = opened(tmp_path)
    for _ in range(5):
        trial = study.ask(9)
        assert not any(study.evaluated(trial, n, n, 0.8) for n in (1, 2, 3))
        study.tell(trial, 0.8)
    trial = study.ask(9)
    assert not study.evaluated(trial, 1, 1, 0.1), "the first evaluation is too early"
    assert study.evaluated(trial, 2, 2, 0.1)
    study.tell(trial, None, pruned=True)
    assert study.records()[-1].state == "pruned" and study.best().value == 0.8
    patient = opened(tmp_path, pruner="none")
    trial = patient.ask(9)
    assert not any(patient.evaluated(trial, n, n, 0.1) for n in (1, 2, 3))


def test_what_mattered(tmp_path: Path) -> None:
    study = opened(tmp_path, sampler="random")
    assert study.importance() == {}
    done(study, 20)
    importance = study.importance()
    assert next(iter(importance)) == "training.learning_rate" and sum(importance.values()) == pytest.approx(1)
    assert study.best().settings["training.learning_rate"] == max(r.value or 0 for r in study.records())


def test_smaller_may_be_better(tmp_path: Path) -> None:
    study = Study("sqlite:///:memory:", "two", SPACE, False, folder=tmp_path)
    done(study, 4)
    assert study.best().value == min(r.value or 9 for r in study.records())


def test_of_several_alike_the_first(tmp_path: Path) -> None:
    study = opened(tmp_path)
    for value in (43 / 45, 0.9555555555555557):  # the same answers right, summed in another order
        study.tell(study.ask(2), value)
    assert study.best().number == study.records()[0].number


def test_none_ended_well(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study.tell(study.ask(1), None, error="No room.")
    study.tell(study.ask(2), float("nan"))
    with pytest.raises(TrainingError, match=r"None of 2 trials came to its end: No room\."):
        study.best()


def test_defaults_outside_the_space_are_not_tried(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study.suggest({"training.learning_rate": 1.0, "training.epochs": 2, "training.batch_size": 8})
    study.suggest({"training.learning_rate": 1e-3})
    assert study.defaults() is None and study.ask(1).params["training.learning_rate"] <= 1e-2


@pytest.mark.parametrize("option", [{"sampler": "tpee"}, {"pruner": "mean"}])
def test_unknown_names(tmp_path: Path, option: dict[str, str]) -> None:
    with pytest.raises(RecipeError, match="Did you mean"):
        opened(tmp_path, **option)


class TestReporter:
    def test_hands_evaluations_on_and_gives_up(self) -> None:
        seen: list[tuple[int, int, float]] = []

        def hopeless(number: int, step: int, value: float) -> bool:
            seen.append((number, step, value))
            return value < 0.3

        reporter = Reporter("macro_f1", hopeless)
        reporter.steps(0, 30)
        reporter.log(10, {"validation/macro_f1": 0.5, "validation/accuracy": 0.1})
        reporter.log(15, {"loss": 0.1})
        with pytest.raises(Pruned):
            reporter.log(20, {"validation/macro_f1": 0.2})
        reporter.log(30, {"validation/macro_f1": 0.2})
        assert seen == [(1, 10, 0.5), (2, 20, 0.2), (3, 30, 0.2)], "at its end there is nothing to give up"

    def test_of_a_killed_run_only_what_lies_before_the_checkpoint(self) -> None:
        seen: list[tuple[int, int]] = []
        reporter = Reporter("f1", lambda n, s, v: bool(seen.append((n, s))), earlier=[[10, 0.1], [20, 0.2]])
        reporter.steps(15, 30)
        reporter.log(20, {"validation/f1": 0.2})
        assert seen == [(1, 10), (2, 20)]


def test_what_a_run_would_have_taken() -> None:
    assert whole(10.0, 5, 50) == 100.0 and whole(10.0, 0, 0) == 10.0

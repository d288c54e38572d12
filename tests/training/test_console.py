from __future__ import annotations

import pytest

from tunesmith.training.trackers import console
from tunesmith.training.trackers.console import Console


def test_a_long_stage_without_steps_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    tracker = Console()
    tracker.stage("evaluate")
    for done in range(0, 1001, 50):
        tracker.progress(done, 1000)
        now[0] += 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "- evaluating on the test rows"
    assert 2 <= len(lines) <= 5 and "300/1000" in lines[1] and lines[1].endswith("14 s left")


def test_a_short_stage_says_nothing_more(capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Console()
    tracker.stage("before")
    for done in range(100):
        tracker.progress(done, 100)
    assert capsys.readouterr().err == "- the model before tuning\n"


def test_steps_after_a_stage_are_counted_anew(capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Console()
    tracker.stage("before")
    tracker.progress(50, 100)
    tracker.stage("train")
    tracker.steps(0, 10)
    tracker.log(5, {"loss": 1.0, "learning_rate": 1e-4, "samples_per_second": 20.0})
    assert "step 5/10  loss 1  samples per second 20" in capsys.readouterr().err


def test_figures_of_strategies_stand_beside_the_loss(capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Console()
    tracker.steps(0, 10)
    tracker.log(5, {"loss": 1.0, "dpo/kl": 0.25, "dpo/accuracy": 0.5, "samples_per_second": 20.0})
    tracker.log(5, {"validation/preference_loss": 0.5})
    first, second = capsys.readouterr().err.splitlines()
    assert "loss 1  dpo/kl 0.25  dpo/accuracy 0.5  samples per second 20" in first
    assert second == "  step 5/10  validation/preference loss 0.5"

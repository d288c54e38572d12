"""What a whole run would take, by a short trial."""

from __future__ import annotations

import pytest

from tunesmith.pipeline import scout_clock
from tunesmith.pipeline.scout_clock import Clock, Short, whole


def test_the_first_step_is_no_measure_and_evaluations_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([9.0, 10.0, 11.0, 15.0, 16.0, 17.0])
    monkeypatch.setattr(scout_clock.time, "monotonic", lambda: next(times))
    clock = Clock()
    assert clock.step(otherwise=7.0) == 7.0
    for step, said in enumerate(["loss", "loss", "loss", "validation/accuracy", "loss", "loss"]):
        clock.log(step, {said: 0.5})
    assert clock.gaps == [1.0, 1.0, 1.0] and clock.evaluations == [4.0]
    assert clock.step(otherwise=7.0) == 1.0


def test_what_is_fixed_is_not_multiplied_by_rows() -> None:
    short = Short(build=2.0, step=0.5, evaluation=0.1, answers=1.0, beside=3.0)
    told = {"steps": 100.0, "evaluations": 10.0, "growth": 20.0, "measured": 5.0}
    assert whole(short, **told, features=False) == pytest.approx(2 + 50 + 20 + 5 + 3)
    assert whole(short, **told, features=True) == pytest.approx(2 + 50 + 20 + 5 + 60)

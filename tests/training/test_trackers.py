"""Where a run is written down."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tunesmith.training.trackers.console import STAGES, Console
from tunesmith.training.trackers.jsonl import Jsonl
from tunesmith.training.trackers.tensorboard import TensorBoard


def lines(folder: Path) -> list[dict[str, object]]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = (folder / "log.jsonl").read_text("utf-8")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def test_jsonl_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for step in (1, 2):
        tracker = Jsonl()
        tracker.start(str(tmp_path), {})
        tracker.stage("train")
        tracker.steps(step, 9)
        tracker.log(step, {"loss": 0.5, "validation/r2": math.nan})
        tracker.finish()
        tracker.finish()
    found = lines(tmp_path)
    assert [line.get("stage") for line in found] == ["train", None, "train", None]
    assert found[3]["step"] == 2 and found[3]["loss"] == 0.5 and found[3]["validation/r2"] is None
    assert all(isinstance(line["time"], float) for line in found)


def test_the_console_without_a_terminal_prints_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Console()
    tracker.start("", {})
    tracker.stage("train")
    tracker.steps(0, 200)
    for step in range(1, 201):
        tracker.log(step, {"loss": 1 / step, "samples_per_second": 100.0, "learning_rate": 1e-3})
    tracker.log(200, {"validation/macro_f1": 0.75})
    tracker.stage("save")
    tracker.finish()
    out, err = capsys.readouterr()
    assert out == "" and 10 <= len(err.splitlines()) <= 14
    assert "- training" in err and "step 100/200  loss 0.01" in err and "s left" in err
    assert "validation/macro f1 0.75" in err and f"- {STAGES['save']}" in err


def test_the_console_says_what_was_guessed_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Console().start("", {"notes": ["text: 评价 (the longest texts)", "3 rows were left out: they have no text."]})
    told = capsys.readouterr().err
    assert "评价" in told and "3 rows were left out" in told


def test_the_console_says_that_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Console()
    tracker.steps(50, 200)
    tracker.log(51, {"loss": 1.0})
    assert "got to step 50" in capsys.readouterr().err


def test_tensorboard_writes_figures(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracker = TensorBoard()
    tracker.start(str(tmp_path), {})
    tracker.steps(0, 2)
    tracker.log(1, {"loss": 0.5})
    tracker.log(2, {"loss": 0.25, "validation/macro_f1": 0.9})
    tracker.finish()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]
    assert events.Scalars("validation/macro_f1")[0].value == pytest.approx(0.9)

"""Sounds become texts once, and feed a task of texts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tunesmith import testing
from tunesmith.cli import main
from tunesmith.cli.check import checked
from tunesmith.cli.predict import _questions
from tunesmith.core.errors import DataError, ModelError
from tunesmith.core.recipe import DataBlock, Recipe
from tunesmith.models import reference
from tunesmith.models.speech import STRETCH, Speech, stretches
from tunesmith.pipeline.answering import answering
from tunesmith.pipeline.measure import labelled_rows
from tunesmith.pipeline.plan import plan
from tunesmith.pipeline.transcribed import transcribed
from tunesmith.tasks.text_classification import TextClassification

soundfile = pytest.importorskip("soundfile")


class Hears:
    """Says how loud a sound is."""

    asked: int = 0
    weights: str = ""

    device: str = ""

    def __init__(self, name: str, language: str | None, device: str = "cpu") -> None:
        self.name = name
        Hears.device = device

    def texts(self, waves: list[np.ndarray]) -> list[str]:
        Hears.asked += len(waves)
        return [f"很响 loud {wave.max():.2f}" if wave.max() > 0.5 else f"soft {wave.max():.2f}" for wave in waves]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tunesmith.models.speech.Speech", Hears)
    real = reference.resolve

    def resolve(name: str, **options: Any) -> Any:
        return SimpleNamespace(content_hash=Hears.weights) if name == "whisper-base" else real(name, **options)

    monkeypatch.setattr(reference, "resolve", resolve)
    Hears.asked, Hears.weights = 0, str(tmp_path)
    rows = []
    for i in range(30):
        soundfile.write(tmp_path / f"{i}.wav", np.full(400, (0.2 + 0.6 * (i % 2)) * (1 + i / 200)), 8000)
        rows.append([f"{i}.wav", ("quiet", "noisy")[i % 2]])
    with (tmp_path / "calls.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["clip", "label"], *rows, ["none.wav", "quiet"]])
    return tmp_path


def test_a_text_task_learns_from_sounds(calls: Path) -> None:
    model = testing.tiny_bert(calls / "bert", texts=["loud soft 很响 0.25"])
    values = {"data": {"path": str(calls / "calls.csv"), "transcribe": "clip"}, "model": str(model)}
    decided = plan(Recipe.parse({**values, "bundle": str(calls / "b")}))
    assert decided.task.name == "text-classification" and decided.data.columns["text"] == "transcript"
    assert any(row["text"].startswith("很响 loud") for row in decided.data.train)
    assert Hears.asked == 30
    assert any("1 of 31 sounds" in note and "row 31" in note for note in decided.data.notes)
    assert [(row.line, row.text) for row in decided.data.source.broken] == [(31, "none.wav")]
    transcribed(Recipe.parse(values).data)
    assert Hears.asked == 30, "each sound is heard once"


def test_sounds_are_drawn_before_they_are_heard(calls: Path) -> None:
    block = DataBlock.model_validate({"path": str(calls / "calls.csv"), "transcribe": "clip", "limit": 12})
    found = transcribed(block)
    heard = Path(found.block.path).read_text("utf-8").splitlines()
    assert len(heard) + len(found.broken) == 12
    assert all(row.line == 31 for row in found.broken)


def test_sounds_are_heard_where_the_run_computes_and_by_the_weights(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def resolve(device: str) -> Any:
        seen.append(device)
        return SimpleNamespace(device="cuda:1")

    monkeypatch.setattr("tunesmith.core.runtime.resolve", resolve)
    block = DataBlock.model_validate({"path": str(calls / "calls.csv"), "transcribe": "clip", "limit": 10})
    transcribed(block, "cuda")
    assert (seen, Hears.device) == (["cuda"], "cuda:1")
    once = Hears.asked
    transcribed(block)
    assert Hears.asked == once
    Hears.weights = "other weights under the same name"
    transcribed(block)
    assert Hears.asked == 2 * once and seen[-1] == "auto"


def test_check_looks_at_what_is_said(calls: Path) -> None:
    values = {"data": {"path": str(calls / "calls.csv"), "transcribe": "clip"}}
    report = checked(Recipe.parse(values))
    assert report["guess"].columns["text"] == "transcript" and report["profile"].broken == 1
    assert any("row 31" in note for note in report["notes"])
    assert report["recipe"]["data"]["transcribe"]["column"] == "clip"


def test_evaluate_hears_what_the_bundle_heard(calls: Path) -> None:
    task = TextClassification()
    task.restore({"labels": ["noisy", "quiet"]})
    manifest = SimpleNamespace(recipe={"data": {"transcribe": {"column": "clip"}, "columns": {"text": "transcript"}}})
    notes: list[str] = []
    bundle: Any = SimpleNamespace(task=task, manifest=manifest, path=calls / "b", predictor=None)
    asked = answering(bundle, None)
    rows = labelled_rows(asked, DataBlock.model_validate({"path": str(calls / "calls.csv")}), notes)
    assert len(rows) == 30 and str(rows[1]["text"]).startswith("很响 loud")
    assert any("row 31" in note for note in notes)
    with pytest.raises(DataError, match="sounds of .clip. without their texts") as found:
        list(_questions(bundle, [], str(calls / "calls.csv"), {}, None))
    assert "tunesmith transcribe" in found.value.hint


def test_the_verb_writes_a_file_and_tells_what_is_left_out(calls: Path, capsys: Any) -> None:
    out = calls / "texts.jsonl"
    assert main(["transcribe", str(calls / "calls.csv"), "--column", "clip", "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 30 and told["broken"][0]["row"] == 31
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert rows[1]["transcript"].startswith("很响") and rows[1]["label"] == "noisy"
    with pytest.raises(DataError, match='no column "sound"'):
        transcribed(DataBlock.model_validate({"path": str(calls / "calls.csv"), "transcribe": "sound"}))


def test_long_sounds_are_cut_where_they_are_quiet() -> None:
    wave = np.ones(2 * STRETCH, np.float32)
    wave[STRETCH - 20_000 : STRETCH - 16_000] = 0
    pieces = list(stretches(wave))
    assert sum(map(len, pieces)) == len(wave) and max(map(len, pieces)) <= STRETCH
    assert STRETCH - 20_000 <= len(pieces[0]) <= STRETCH - 16_000


def test_what_is_no_whisper_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no Whisper"):
        Speech(str(testing.tiny_image(tmp_path / "e")))

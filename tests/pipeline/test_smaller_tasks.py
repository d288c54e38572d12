"""Smaller bundles of tasks that read tokens, give vectors, or are several at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.runtimes.onnx import OnnxRuntime
from tunesmith.compression.record import Recorder
from tunesmith.pipeline.shrink_sides import in_torch
from tunesmith.pipeline.smaller import smaller
from tunesmith.testing import toy_rows

THINGS = {"en": ["room", "staff", "food", "film"], "zh": ["房间", "服务", "早餐", "电影"]}


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return str(path)


def spans(language: str, n: int) -> list[dict[str, Any]]:
    rows = []
    for row in toy_rows(language, n):
        text = row["text"]
        found = [(text.find(word), word) for word in THINGS[language] if word in text]
        rows.append({"text": text, "spans": [{"start": s, "end": s + len(w), "label": "thing"} for s, w in found]})
    return rows


def data_of(task: str, language: str, place: Path) -> Any:
    if task == "mixture":
        mood, things = toy_rows(language, 60), spans(language, 60)
        part = {"path": written(place / "things.jsonl", things), "task": "token-classification"}
        return {"data": {"parts": {"mood": {"path": written(place / "mood.jsonl", mood)}, "things": part}}}
    if task == "token-classification":
        return written(place / "rows.jsonl", spans(language, 60))
    return written(place / "rows.jsonl", [{"query": r["text"][:12], "pos": r["text"]} for r in toy_rows(language, 60)])


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("task", ["token-classification", "text-embedding", "mixture"])
def test_a_smaller_one(task: str, language: str, tmp_path: Path, models: dict[str, str], near_reload: None) -> None:
    from toy_files import QUICK

    from tunesmith import tune

    parent = tune(
        data_of(task, language, tmp_path), f"model={models['bert']}", f"bundle={tmp_path / 'parent'}", *QUICK,
        "evaluation.baselines=false", "data.split.near_duplicates=false",
    )  # fmt: skip
    wanted: dict[str, Any] = {"layers": 1, "feed_forward": 0.5, "heads": 1, "vocabulary": [language]}
    made = smaller(parent.path, [f"bundle={tmp_path / 'small'}"], **wanted)
    assert made.manifest.task.name == parent.manifest.task.name == task
    told = made.report["smaller"]
    assert told["parameters"]["after"] < told["parameters"]["before"] and told["pruned"]["neurons"] == 32
    assert len(made.processor) < len(parent.processor)
    same = smaller(parent.path, [f"bundle={tmp_path / 'same'}"], vocabulary=[language])
    _answers_equally(parent, same, language)


def test_the_graph_of_a_mixture_has_every_head(tmp_path: Path, models: dict[str, str], near_reload: None) -> None:
    """Also those that no row of the last batch wants, or none at all of the rows that it was made by."""
    from toy_files import QUICK

    from tunesmith import tune

    given = (f"model={models['bert']}", f"bundle={tmp_path / 'parent'}", *QUICK, "evaluation.baselines=false")
    parent = tune(data_of("mixture", "en", tmp_path), *given, "data.split.near_duplicates=false")
    moods = [{"part": "mood", "text": row["text"]} for row in toy_rows("en", 12)]
    things = [{"part": "things", "text": row["text"]} for row in toy_rows("en", 1, seed=4)]
    source = in_torch(parent)
    recorder = Recorder(source.side.runtime)
    predictor = Predictor(parent.task, parent.tokenizer, recorder, max_length=parent.manifest.max_length)
    for rows in (things, moods):
        predictor.outputs(rows)
    assert set(recorder.outputs) == {"mood", "things"}
    source.write_graph(moods, 0, tmp_path / "home")
    assert source.graph is not None
    runtime = OnnxRuntime(source.graph, device="cpu")
    assert set(runtime.outputs) == {"mood", "things"}
    found, wanted = (
        Predictor(parent.task, parent.tokenizer, one, max_length=parent.manifest.max_length).outputs(things + moods)[1]
        for one in (runtime, source.side.runtime)
    )
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def _answers_equally(parent: Bundle, same: Bundle, language: str) -> None:
    texts = [row["text"] for row in toy_rows(language, 8, seed=99)]
    rows = [{"text": text} for text in texts]
    if parent.manifest.task.name == "mixture":
        rows = [{**row, "part": "mood"} for row in rows]
    asked = (bundle.predictor(device="cpu").outputs(rows)[1] for bundle in (parent, same))
    for one, other in zip(*asked, strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))

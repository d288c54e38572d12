"""Smaller bundles of tasks that read tokens, give vectors, or are several at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.bundle.read import Bundle
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


def _answers_equally(parent: Bundle, same: Bundle, language: str) -> None:
    texts = [row["text"] for row in toy_rows(language, 8, seed=99)]
    rows = [{"text": text} for text in texts]
    if parent.manifest.task.name == "mixture":
        rows = [{**row, "part": "mood"} for row in rows]
    asked = (bundle.predictor(device="cpu").outputs(rows)[1] for bundle in (parent, same))
    for one, other in zip(*asked, strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))

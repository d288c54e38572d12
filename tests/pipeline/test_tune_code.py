"""From problems with tests to a bundle that solves them; a bundle alone never has its programs run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.bundle.read import read_bundle
from tunesmith.cli import main
from tunesmith.core.errors import RecipeError
from tunesmith.pipeline import tune
from tunesmith.pipeline.measure import measured
from tunesmith.testing import tiny_llama

ASKED = ("Return {0}, case {1}.", "返回{0}，第{1}题。")
WORDS = (("red", "green", "blue"), ("红", "绿", "蓝"))


def problems(count: int) -> list[dict[str, Any]]:
    """English and Chinese in turns."""
    rows = []
    for i in range(count):
        word = WORDS[i % 2][i // 2 % 3]
        asked = ASKED[i % 2].format(word, i)
        rows.append({"text": asked, "code": f"f = {word!r}", "test_list": [f"assert f == {word!r}"]})
    return rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file, and a bundle tuned on it."""
    place, rows = tmp_path_factory.mktemp("code"), problems(60)
    file = place / "problems.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    texts = [f"<|user|>\n{row['text']}</s><|assistant|>\n```python\n{row['code']}\n```" for row in rows]
    model = tiny_llama(place / "llama", texts=texts, max_length=128)
    bundle = tune(
        str(file), f"model={model}", f"bundle={place / 'b'}", "task.execute=true", "task.show_tests=0",
        "training.epochs=60", "training.learning_rate=0.005", "training.batch_size=8", "training.evaluations=0.1",
        "data.split.near_duplicates=false",
    )  # fmt: skip
    return file, bundle.path


def test_it_learns_to_pass_tests(made: tuple[Path, Path]) -> None:
    file, path = made
    bundle = read_bundle(path)
    report = bundle.report
    assert report["task"] == "code-generation" and report["primary"] == "pass_at_1"
    assert report["before"]["metrics"]["pass_at_1"]["value"] == 0
    assert report["metrics"]["pass_at_1"]["value"] > 0.8 and report["metrics"]["parses"]["value"] > 0.8
    assert report["metrics"]["perplexity"]["value"] < report["before"]["metrics"]["perplexity"]["value"]
    assert report["flips"]["fixed"]["count"] and "f = " in report["flips"]["fixed"]["examples"][0]["true"]
    row = json.loads(file.read_text("utf-8").splitlines()[0])
    (prediction,) = bundle.predict([row["text"]])
    assert "f = " in prediction["text"] and prediction["finish"] == "stop"


def test_a_bundle_brings_no_consent(made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    file, path = made
    assert read_bundle(path).manifest.recipe["task"]["execute"] is True  # as it was tuned
    assert read_bundle(path).task.execute is False  # type: ignore[attr-defined]
    assert set(measured(path, str(file))["metrics"]) == {"perplexity", "parses"}
    assert main(["evaluate", str(path), str(file), "task.execute=true", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["pass_at_1"]["value"] > 0.8
    with pytest.raises(RecipeError, match="cannot be measured as dialogue"):
        measured(path, str(file), ["task=dialogue"])
    with pytest.raises(RecipeError, match="task.beans"):
        measured(path, str(file), ["task.beans=4"])

"""Tokens a second and the time to the first token, where a bundle that writes is measured. Nothing here is a race."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith import tune
from tunesmith.bundle.read import Bundle
from tunesmith.cli import main
from tunesmith.testing import tiny_llama, tiny_t5, toy_talks

FAST = (
    "training.max_steps=2", "training.batch_size=8", "training.threads=1", "training.trackers=[jsonl]",
    "training.precision=fp32", "evaluation.resamples=100", "data.split.near_duplicates=false",
    "data.clean.duplicates=false", "data.split.validation=0.1", "model.max_length=128", "task.max_new_tokens=12",
)  # fmt: skip
WORDS = {"en": ("The dog number {} is here.", "Here is dog {}."), "zh": ("第{}只狗在这里。", "这里有第{}只狗。")}


def talking(language: str, place: Path) -> tuple[list[dict[str, Any]], Path]:
    rows = toy_talks(language, 40)
    texts = [f"<|{m['role']}|>\n{m['content']}" for row in rows for m in row["messages"]]
    return rows, tiny_llama(place / "model", texts=texts)


def summing(language: str, place: Path) -> tuple[list[dict[str, Any]], Path]:
    rows = [
        {"article": long.format(i) * 3, "summary": short.format(i)}
        for i in range(40)
        for long, short in [WORDS[language]]
    ]
    return rows, tiny_t5(place / "model", texts=[" ".join(text) for row in rows for text in row.values()], vocab=200)


@pytest.fixture(params=["causal-en", "causal-zh", "encoder-decoder-en", "encoder-decoder-zh"])
def writer(request: pytest.FixtureRequest, tmp_path: Path, near_reload: None) -> tuple[Bundle, Path]:
    """A bundle that writes, and the file of its ten test rows."""
    kind, _, language = request.param.rpartition("-")
    rows, model = (talking if kind == "causal" else summing)(language, tmp_path)
    files = {"train": rows[:30], "test": rows[30:]}
    for name, some in files.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some), "utf-8")
    test = tmp_path / "test.jsonl"
    made = tune(str(tmp_path / "train.jsonl"), f"data.test={test}", f"model={model}", f"bundle={tmp_path / 'b'}",
                "method=full", *FAST)  # fmt: skip
    return made, test


def hold(speed: dict[str, Any], tokens: int, texts: int) -> None:
    assert (speed["tokens"], speed["texts"]) == (tokens, texts)
    assert speed["tokens_per_second"] == pytest.approx(tokens / speed["seconds"], rel=0.02)
    assert speed["seconds"] > 0 and 1 <= speed["texts_at_once"] <= texts
    assert (speed["runtime"], speed["device"], speed["precision"]) == ("torch", "cpu", "fp32")
    assert speed["threads"] >= 1 and f"{tokens:,} tokens" in speed["words"] and "tokens/s" in speed["words"]


def test_figures_stand_wherever_it_is_measured(writer: tuple[Bundle, Path], capsys: Any, tmp_path: Path) -> None:
    bundle, test = writer
    rows = [json.loads(line) for line in test.read_text("utf-8").splitlines()]
    asked = [{"text": row["article"]} if "article" in row else row for row in rows]
    tokens = sum(answer["tokens"] for answer in bundle.predict(asked))
    proven = bundle.report["writing_speed"]
    hold(proven, tokens, len(rows))
    assert proven["first_token_seconds"] > 0 and proven["first_token_prompts"] == 5
    assert 0 < proven["first_token_prompt_tokens"] <= 128
    for name in ("report.html", "README.md"):
        assert proven["words"] in (bundle.path / name).read_text("utf-8"), name
    capsys.readouterr()
    page = tmp_path / "page.html"
    assert main(["evaluate", str(bundle.path), str(test), "--report", str(page), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["writing_speed"]
    hold(again, tokens, len(rows))
    assert again["first_token_seconds"] > 0 and again["words"] in page.read_text("utf-8")
    assert main(["predict", str(bundle.path), "--file", str(test), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["predictions"]) == len(rows)
    hold(told["writing_speed"], tokens, len(rows))
    assert "first_token_seconds" not in told["writing_speed"], "nobody asked twice"
    assert main(["evaluate", str(bundle.path), str(test)]) == 0
    assert "the first token comes after" in " ".join(capsys.readouterr().out.split())


def test_what_does_not_write_has_no_speed(tuned: Any, files: dict[str, Path], capsys: Any) -> None:
    bundle = tuned(files["zh"])
    assert "writing_speed" not in bundle.report
    capsys.readouterr()
    assert main(["predict", str(bundle.path), "好", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"predictions"}

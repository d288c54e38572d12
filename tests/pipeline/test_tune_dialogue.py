"""Conversations to a proven bundle, whose answers transformers alone gives, too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import transformers

from tunesmith import tune
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import DataError, ModelError
from tunesmith.pipeline.candidate import candidate
from tunesmith.testing import tiny_gpt2, tiny_llama, toy_talks

SETTINGS = (
    "training.batch_size=8", "training.threads=1", "training.trackers=[jsonl]",
    "evaluation.resamples=100", "data.split.near_duplicates=false", "data.clean.duplicates=false", "training.epochs=25",
    "model.max_length=128", "training.precision=fp32",
)  # fmt: skip


def talks(language: str, n: int) -> list[dict[str, Any]]:
    return toy_talks(language, n)


def texts_of(rows: list[dict[str, Any]]) -> list[str]:
    return [f"<|{m['role']}|>\n{m['content']}" for row in rows for m in row["messages"]]


def sharegpt(path: Path, rows: list[dict[str, Any]]) -> Path:
    names = {"user": "human", "assistant": "gpt"}
    said = [[{"from": names[m["role"]], "value": m["content"]} for m in row["messages"]] for row in rows]
    path.write_text(json.dumps([{"conversations": one} for one in said], ensure_ascii=False), "utf-8")
    return path


METHODS = {"en": ("method=full", "training.learning_rate=5e-3"), "zh": ("training.learning_rate=2e-2",)}
"""What nobody names is lora: of a random model it learns little."""


@pytest.fixture(scope="module", params=["en", "zh"])
def talking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Bundle]:
    place, rows = tmp_path_factory.mktemp("talk"), talks(request.param, 120)
    model = tiny_llama(place / "model", texts=texts_of(rows))
    rows[50] = {"messages": rows[50]["messages"][:1]}
    bundle = tune(
        str(sharegpt(place / "train.json", rows[:90])), f"data.test={sharegpt(place / 'test.json', rows[90:])}",
        "data.split.validation=0.2", f"model={model}", f"bundle={place / 'b'}", *SETTINGS,
        *METHODS[request.param],
    )  # fmt: skip
    return request.param, bundle


def test_answers_are_learned_and_reported(talking: tuple[str, Bundle]) -> None:
    language, bundle = talking
    report = bundle.report
    assert report["task"] == "dialogue" and report["primary"] == "perplexity"
    assert report["context"]["method"] == {"en": "full", "zh": "lora"}[language]
    assert report["context"]["language"] == language
    after = {name: figure["value"] for name, figure in report["metrics"].items()}
    before = {name: figure["value"] for name, figure in report["before"]["metrics"].items()}
    assert after["perplexity"] < 0.9 * before["perplexity"]
    if language == "en":
        assert after["perplexity"] < 1.5 and after["exact_match"] > 0.8 > before["exact_match"]
        assert after["rougeL"] > 0.8 > before["rougeL"] and after["repetition"] == 0
    assert report["parity"][0]["passed"]
    assert any("there is no answer" in note for note in report["data_notes"])
    page = (bundle.path / "report.html").read_text("utf-8")
    assert talks(language, 120)[91]["messages"][-1]["content"] in page, "samples stand in the report"


def test_transformers_alone_writes_the_same(talking: tuple[str, Bundle], monkeypatch: pytest.MonkeyPatch) -> None:
    language, bundle = talking
    monkeypatch.setattr("tunesmith.tasks.writing.HALF", "")  # half characters are compared, too
    rows = talks(language, 120)[90:96]
    asked = [row["messages"][:-1] for row in rows]
    ours = [p["text"] for p in bundle.predict(rows)]
    assert ours == [p["text"] for p in bundle.predict([{"messages": messages} for messages in asked])]
    pipe = transformers.pipeline("text-generation", model=str(bundle.path))
    most = bundle.task.decoding.max_new_tokens  # type: ignore[attr-defined]
    theirs = [pipe(messages, max_new_tokens=most, do_sample=False)[0]["generated_text"][-1] for messages in asked]
    assert [one["role"] for one in theirs] == ["assistant"] * len(rows)
    assert [one["content"].strip() for one in theirs] == ours


def test_a_text_is_a_question_and_an_adapter_lies_beside(
    talking: tuple[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    language, bundle = talking
    monkeypatch.setattr("tunesmith.tasks.writing.HALF", "")  # half characters are compared, too
    text = talks(language, 120)[91]["messages"][0]["content"]
    if language == "en":
        pytest.skip("of full tuning there is no adapter")
    assert bundle.predict([text]) == bundle.predict([{"messages": [{"role": "user", "content": text}]}])
    from peft import PeftModel

    base = transformers.AutoModelForCausalLM.from_pretrained(bundle.manifest.recipe["model"]["name"])
    model = PeftModel.from_pretrained(base, str(bundle.path / "adapter"))
    processor = transformers.AutoTokenizer.from_pretrained(bundle.path)
    messages = [{"role": "user", "content": text}]
    ids = processor.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    most = bundle.task.decoding.max_new_tokens  # type: ignore[attr-defined]
    written = model.generate(**ids, max_new_tokens=most, do_sample=False)[0, ids["input_ids"].shape[1] :]
    theirs = processor.decode(written, skip_special_tokens=True)
    assert theirs.strip() == bundle.predict([text])[0]["text"]


def test_a_bundle_with_another_template_refuses(talking: tuple[str, Bundle], tmp_path: Path) -> None:
    _, bundle = talking
    state = bundle.task.state
    assert state["template"] == (bundle.path / "chat_template.jinja").read_text("utf-8")
    other = transformers.AutoTokenizer.from_pretrained(bundle.path)
    other.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(ModelError, match="not the one that the model was tuned with"):
        bundle.task.encode([{"messages": [{"role": "user", "content": "a"}]}], other, max_length=64, targets=False)
    shutil.copytree(bundle.path, tmp_path / "b")
    (tmp_path / "b" / "chat_template.jinja").write_text("{{ messages }}", "utf-8")
    with pytest.raises(Exception, match="chat_template.jinja"):
        read_bundle(tmp_path / "b").predict(["a"])


def test_what_cannot_be_learned_is_said_before_anything_is_computed(tmp_path: Path) -> None:
    rows = talks("en", 40)
    model = tiny_gpt2(tmp_path / "model", texts=texts_of(rows))
    settings = tmp_path / "model" / "tokenizer_config.json"
    told = json.loads(settings.read_text("utf-8"))
    del told["chat_template"]
    settings.write_text(json.dumps(told), "utf-8")
    file = sharegpt(tmp_path / "train.json", rows)
    with pytest.raises(ModelError, match="no chat template"):
        tune(str(file), f"model={model}", f"bundle={tmp_path / 'b'}", *SETTINGS)
    asked = sharegpt(tmp_path / "asked.json", [{"messages": row["messages"][:1]} for row in rows])
    with pytest.raises(DataError, match="there is no answer"):
        tune(str(asked), f"model={model}", f"bundle={tmp_path / 'b'}", *SETTINGS)


def test_a_question_that_fills_the_window_costs_no_run(tmp_path: Path) -> None:
    """Its row has no answer, before and after; the bundle is proven by the others, and watched by them."""
    rows = talks("en", 30)
    rows[25] = {"messages": [{"role": "user", "content": "why " * 300}, {"role": "assistant", "content": "because"}]}
    model = tiny_llama(tmp_path / "model", texts=texts_of(rows))
    bundle = tune(
        str(sharegpt(tmp_path / "train.json", rows[:20])), f"data.test={sharegpt(tmp_path / 'test.json', rows[20:])}",
        f"model={model}", f"bundle={tmp_path / 'b'}", *SETTINGS, "training.max_steps=1",
    )  # fmt: skip
    assert bundle.report["parity"][0]["passed"] and bundle.report["parity"][0]["rows"] == 9
    assert bundle.report["context"]["rows"]["test"] == 10
    told = candidate(bundle.path, bundle.path, str(tmp_path / "test.json"))
    assert told["accepted"] and told["metric"] == bundle.task.metrics[0] and told["held"]["rows"] == 10

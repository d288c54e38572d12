"""Translations and summaries from files to proven bundles, English, German and Chinese."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tunesmith import tune
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.models.load import quiet
from tunesmith.testing import tiny_t5
from tunesmith.testing.verb import run_verb

SETTINGS = (
    "training.learning_rate=1e-2", "training.batch_size=8", "training.threads=1", "training.trackers=[jsonl]",
    "evaluation.resamples=100", "data.split.near_duplicates=false", "training.precision=fp32", "model.max_length=64",
    "training.epochs=12",
)  # fmt: skip
SAID = {
    "en": ("The {} is {} and it is {}.", ["dog", "cat", "man", "girl", "horse"], ["here", "there", "outside", "inside"],
           ["happy", "big", "small", "red", "old"]),
    "de": ("Der {} ist {} und er ist {}.", ["Hund", "Kater", "Mann", "Mensch", "Gaul"],
           ["hier", "dort", "draußen", "drinnen"], ["froh", "groß", "klein", "rot", "alt"]),
    "zh": ("这个{}在{}它很{}。", ["狗", "猫", "男人", "女孩", "马"], ["这里", "那里", "外面", "里面"],
           ["高兴", "大", "小", "红", "老"]),
}  # fmt: skip


def said(language: str, i: int) -> str:
    template, *parts = SAID[language]
    return template.format(*(words[i // step % len(words)] for words, step in zip(parts, (1, 5, 20), strict=True)))


def pairs(one: str, other: str) -> list[dict[str, str]]:
    return [{one: said(one, i * 37 % 100), other: said(other, i * 37 % 100)} for i in range(100)]


def reports(language: str) -> list[dict[str, str]]:
    """A long report, whose first sentence is not the one that counts."""
    filler = {
        "en": "Nobody knows why number {} was said here at all. ",
        "zh": "没有人知道这里为什么要说第{}号的这些话。",
    }
    rows = []
    for i in range(100):
        short = said(language, i * 37 % 100)
        before, after = (filler[language].format(n) for n in (i % 9, i % 7))
        rows.append({"article": before + short + after, "summary": short})
    return rows


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


CASES = {"en-de": pairs("en", "de"), "en-zh": pairs("en", "zh"), "zh-en": pairs("zh", "en"), "en": reports("en"),
         "zh": reports("zh")}  # fmt: skip


def tuned(name: str, place: Path, *more: str) -> Bundle:
    rows = CASES[name]
    texts = [text if text.isascii() else " ".join(text) for row in rows for text in row.values()]  # pieces of Chinese
    model = tiny_t5(place / "model", texts=texts, vocab=300)
    train, test = lines(place / "train.jsonl", rows[:80]), lines(place / "test.jsonl", rows[80:])
    return tune(str(train), f"data.test={test}", "data.split.validation=0.1", f"model={model}",
                f"bundle={place / 'b'}", *SETTINGS, *more)  # fmt: skip


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Bundle]:
    return request.param, tuned(request.param, tmp_path_factory.mktemp("writes"))


def test_the_report(case: tuple[str, Bundle]) -> None:
    name, bundle = case
    report = bundle.report
    task, primary, baselines = (
        ("translation", "bleu", {"copy", "nearest-target"})
        if "-" in name
        else ("summarization", "rougeL", {"first-sentence", "lead-3"})
    )
    assert (report["task"], report["primary"], report["kind"]) == (task, primary, "text")
    assert set(report["baselines"]) == baselines
    after, before = report["metrics"], report["before"]["metrics"]
    assert after[primary]["value"] > before[primary]["value"] + 0.2
    assert after["perplexity"]["value"] < before["perplexity"]["value"] / 5
    assert report["baselines"][next(iter(baselines))]["metrics"]["perplexity"]["value"] is None
    assert report["parity"][0]["passed"] and report["parity"][0]["agreement"] == 1
    assert len(report["written"]["spread"]) == 10
    assert report["contamination"]["texts"] == 0 and report["contamination"]["words"] in report["data_notes"]
    assert report["history"][-1]["validation"].keys() == {"perplexity"}
    page = (bundle.path / "report.html").read_text("utf-8")
    assert "What it writes" in page and report["written"]["spread"][0]["expected"] in page
    card = (bundle.path / "README.md").read_text("utf-8")
    assert f"pipeline_tag: {task}" in card


def test_a_fresh_process_writes_the_same(case: tuple[str, Bundle]) -> None:
    name, bundle = case
    texts = [next(iter(row.values())) for row in CASES[name][80:84]]
    wanted = bundle.predict(texts)
    run = run_verb("predict", str(bundle.path), *texts, "--json")
    assert run.code == 0, run.err
    assert run.json["predictions"] == wanted
    assert all(set(one) == {"text", "tokens", "finish"} for one in wanted)


def test_transformers_writes_the_same(case: tuple[str, Bundle]) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    name, bundle = case
    texts = [next(iter(row.values())) for row in CASES[name][80:90]]
    wanted = [one["text"] for one in read_bundle(bundle.path).predict(texts)]
    with quiet():
        model = AutoModelForSeq2SeqLM.from_pretrained(bundle.path).eval()
    processor = AutoTokenizer.from_pretrained(bundle.path)
    prefix = bundle.task.state["prefix"]
    assert prefix or "zh" in name
    found = []
    for text in texts:
        batch = processor(prefix + text, return_tensors="pt", return_token_type_ids=False)
        with torch.no_grad():
            ids = model.generate(**batch, max_new_tokens=40, do_sample=False)
        found.append(processor.decode(ids[0], skip_special_tokens=True).strip())
    assert found == wanted


def test_a_file_is_predicted_with_its_own_columns(case: tuple[str, Bundle], tmp_path: Path) -> None:
    name, bundle = case
    role = next(iter(CASES[name][0]))
    asked = lines(tmp_path / "new.jsonl", [{role: row[role], "id": f"n{i}"} for i, row in enumerate(CASES[name][:3])])
    run = run_verb("predict", str(bundle.path), "--file", str(asked), "--json")
    assert run.code == 0, run.err + run.out
    assert len(run.json["predictions"]) == 3


def test_long_texts_are_cut_and_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="texts are longer than 12 tokens") as told:
        bundle = tuned("en", tmp_path, "model.max_length=12", "training.max_steps=2", "task.max_target_length=5")
    assert sum("texts are longer" in str(warning.message) for warning in told) == 1, "test rows are read many times"
    notes = " ".join(bundle.report["data_notes"])
    assert "texts are longer than the model reads; their ends were cut off" in notes
    assert "targets are longer than is learned" in notes


def test_how_it_writes_is_a_setting(tmp_path: Path) -> None:
    bundle = tuned("en-de", tmp_path, "training.max_steps=4", "task.beams=3", "task.max_new_tokens=4",
                   "task.prefix='do it: '", "evaluation.baselines=false")  # fmt: skip
    again = read_bundle(bundle.path).task
    assert (again.decoding.beams, again.decoding.max_new_tokens) == (3, 4)  # type: ignore[attr-defined]
    assert again.state["prefix"] == "do it: "
    assert all(one["tokens"] <= 4 for one in bundle.predict(["The dog is here and it is big.", "The cat is big."]))


def test_empty_targets(tmp_path: Path) -> None:
    rows = [dict(row) for row in CASES["en"]]
    rows[3]["summary"] = " "
    for row in rows[50:]:
        row["summary"] = ""
    model = tiny_t5(tmp_path / "model", texts=["a"])
    with pytest.raises(DataError, match="the target is empty"):
        tune(str(lines(tmp_path / "a.jsonl", [{**row, "summary": ""} for row in rows])), "task=summarization",
             "data.text=article", "data.target=summary", f"model={model}", f"bundle={tmp_path / 'b'}")  # fmt: skip


CHINESE = CASES["en-zh"]


def without_chinese(place: Path) -> Path:
    return tiny_t5(place / "model", texts=[row["en"] for row in CHINESE], vocab=120)


def test_a_model_without_chinese_learns_to_write_it(tmp_path: Path) -> None:
    train, test = lines(tmp_path / "train.jsonl", CHINESE[:80]), lines(tmp_path / "test.jsonl", CHINESE[80:])
    bundle = tune(str(train), f"data.test={test}", "data.split.validation=0.1", f"model={without_chinese(tmp_path)}",
                  f"bundle={tmp_path / 'b'}", *SETTINGS, "training.epochs=60", "training.patience=60")  # fmt: skip
    report = bundle.report
    assert report["metrics"]["bleu"]["value"] > 20 > report["before"]["metrics"]["bleu"]["value"]
    assert any("characters that the model's tokenizer lacks were added" in note for note in report["data_notes"])
    assert report["parity"][0]["passed"], "a fresh process reads the larger vocabulary"
    assert any("这个" in one["written"]["after"] for one in report["written"]["spread"])


def test_characters_that_a_method_cannot_learn_are_an_early_error(tmp_path: Path) -> None:
    train = lines(tmp_path / "train.jsonl", CHINESE)
    given = (str(train), f"model={without_chinese(tmp_path)}", f"bundle={tmp_path / 'b'}", "method=lora", *SETTINGS)
    with pytest.raises(RecipeError, match=r"lacks \d+ characters .* method=lora cannot learn them"):
        tune(*given)
    bundle = tune(*given, "task.characters=keep", "training.max_steps=2")
    assert any("are unknown to the model's tokenizer" in note for note in bundle.report["data_notes"])


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tuned("en-de", tmp_path_factory.mktemp("short"), "training.max_steps=3", "evaluation.baselines=false")


def test_a_soup_of_writers_is_chosen_by_their_perplexity(short: Bundle, tmp_path: Path) -> None:
    from tunesmith.pipeline.soup import soup

    found = soup([short.path, short.path], [f"bundle={tmp_path / 's'}", "training.trackers=[]"])
    assert found.report["soup"]["metric"] == "perplexity"
    assert found.predict("The dog is here and it is big.") == short.predict("The dog is here and it is big.")


def test_writers_are_no_ensemble(short: Bundle, tmp_path: Path) -> None:
    from tunesmith.pipeline.ensemble import ensemble

    with pytest.raises(RecipeError, match="outputs of translation have no mean"):
        ensemble([short.path, short.path], [f"bundle={tmp_path / 'e'}"])


def test_a_writer_learns_on_and_what_it_forgets_is_measured(short: Bundle, tmp_path: Path) -> None:
    from tunesmith.pipeline.learn import LearnOptions, learn

    new, old = lines(tmp_path / "new.jsonl", CASES["en-de"][:40]), lines(tmp_path / "old.jsonl", CASES["en-de"][60:])
    settings = (f"bundle={tmp_path / 'l'}", "training.max_steps=2", "training.trackers=[]")
    found = learn(short.path, str(new), settings, LearnOptions(protect=str(old)))
    kept = found.report["forgetting"]
    assert {"bleu", "perplexity"} <= kept["protected"]["compared"].keys()
    assert kept["protected"]["after"]["perplexity"]["value"] is not None

"""Questions to proven bundles: answers by span (SQuAD JSON), answers by choice (CSV with a column each)."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_files import write_csv
from transformers import AutoModelForMultipleChoice, AutoModelForQuestionAnswering, AutoTokenizer

from tunesmith import tune
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import DataError
from tunesmith.testing import tiny_bert

SETTINGS = (
    "training.learning_rate=3e-3", "training.head_learning_rate=3e-3", "training.layer_decay=1.0",
    "training.batch_size=8", "training.threads=1", "training.trackers=[jsonl]", "evaluation.resamples=100",
    "data.split.near_duplicates=false", "data.clean.duplicates=false", "model.max_length=64",
)  # fmt: skip
PLACES = {"en": ["Berlin", "Rome", "Lima", "Oslo", "Cairo"], "zh": ["北京", "上海", "拉萨", "广州", "天津"]}
SAID = {
    "en": ("Where does {} live?", "Ann lives in {}. Bob works there.", "Ann has a cat. Bob works."),
    "zh": ("{}住在哪里？", "🙂小明住在{}。小红在那里上班。", "🙂小明有一只猫。小红上班。"),
}
KINDS = {
    "en": (["bread", "rice", "soup", "fish", "cake"], ["stone", "glass", "sand", "wood", "iron"], "What can Ann eat?"),
    "zh": (["面包", "米饭", "鱼汤", "蛋糕", "苹果"], ["石头", "玻璃", "沙子", "木头", "钢铁"], "小明能吃什么？"),
}
WHO = {"en": "Ann", "zh": "小明"}


def questions(language: str, n: int) -> list[dict[str, Any]]:
    """One in four contexts does not say it."""
    ask, tell, silent = (f"{text} {{n}}" if place else text for place, text in enumerate(SAID[language]))
    made = []
    for i in range(n):
        place = PLACES[language][i % 5]
        context = silent.format(n=i) if i % 4 == 0 else tell.format(place, n=i)
        answers = [] if i % 4 == 0 else [{"text": place, "answer_start": context.index(place)}]
        entry = {"id": str(i), "question": ask.format(WHO[language]), "answers": answers, "is_impossible": i % 4 == 0}
        made.append({"context": context, "qas": [entry]})
    return made


def squad(path: Path, paragraphs: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"version": "2.0", "data": [{"paragraphs": paragraphs}]}, ensure_ascii=False), "utf-8")
    return path


@pytest.fixture(scope="module", params=["en", "zh"])
def answering(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Bundle]:
    place, rows = tmp_path_factory.mktemp("qa"), questions(request.param, 96)
    rows[60]["qas"][0] = {**rows[61]["qas"][0], "answers": [{"text": "Atlantis", "answer_start": 3}]}
    model = tiny_bert(place / "model", texts=[row["context"] for row in rows])
    bundle = tune(
        str(squad(place / "train.json", rows[:72])), f"data.test={squad(place / 'test.json', rows[72:])}",
        "data.split.validation=0.2", f"model={model}", f"bundle={place / 'b'}", "training.epochs=12", *SETTINGS,
    )  # fmt: skip
    return request.param, bundle


def test_spans_are_learned_and_so_is_that_there_is_none(answering: tuple[str, Bundle]) -> None:
    language, bundle = answering
    report = bundle.report
    assert report["task"] == "extractive-qa" and report["primary"] == "answer_f1"
    figures = {name: figure["value"] for name, figure in report["metrics"].items()}
    assert figures["answerable_f1"] > 0.9 and figures["no_answer_accuracy"] > 0.9
    assert figures["answer_f1"] > report["baselines"]["best-sentence"]["metrics"]["answer_f1"]["value"] + 0.3
    assert report["parity"][0]["passed"]
    broken = (bundle.path / "broken_rows.csv").read_text("utf-8") if (bundle.path / "broken_rows.csv").is_file() else ""
    assert "answer not in its context" in broken + json.dumps(report, ensure_ascii=False)


def test_a_bundle_answers_with_places_in_the_users_text(answering: tuple[str, Bundle]) -> None:
    language, bundle = answering
    ask, tell, silent = SAID[language]
    again = read_bundle(bundle.path)
    assert again.task.state["threshold"] == bundle.task.state["threshold"]
    long = f"{silent} " * 20 + tell.format(PLACES[language][1]) + f" {silent}" * 20
    question = ask.format(WHO[language])
    here, nowhere, far = again.predict([
        {"question": question, "context": tell.format(PLACES[language][1])},
        (question, silent),
        {"question": question, "context": long},
    ])  # fmt: skip
    assert here["answer"] == PLACES[language][1] and here["no_answer_score"] < 0.5
    assert nowhere["answer"] == "" and nowhere["no_answer_score"] > 0.5
    assert long[far["start"] : far["end"]] == far["answer"]


def test_transformers_loads_the_bundle_and_answers_the_same(answering: tuple[str, Bundle]) -> None:
    language, bundle = answering
    ask, tell, _ = SAID[language]
    question, context = ask.format(WHO[language]), tell.format(PLACES[language][2])
    (ours,) = bundle.predict([{"question": question, "context": context}])
    tokenizer = AutoTokenizer.from_pretrained(bundle.path)
    model = AutoModelForQuestionAnswering.from_pretrained(bundle.path).eval()
    inputs = tokenizer(question, context, return_tensors="pt", return_offsets_mapping=True)
    offsets = inputs.pop("offset_mapping")[0]
    inside = torch.tensor([side == 1 for side in inputs.sequence_ids()])
    with torch.no_grad():
        outputs = model(**inputs)
    start, end = (x[0].masked_fill(~inside, -1e9).argmax() for x in (outputs.start_logits, outputs.end_logits))
    assert (ours["start"], ours["end"]) == (int(offsets[start, 0]), int(offsets[end, 1]))
    assert ours["answer"] == PLACES[language][2]


@pytest.fixture(scope="module", params=["en", "zh"])
def choosing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Bundle]:
    place, language = tmp_path_factory.mktemp("choices"), request.param
    good, bad, ask = KINDS[language]
    drawn = random.Random(5)
    rows = []
    for i in range(80):
        right = i % 3 if i % 5 else i % 2
        options = drawn.sample(bad, 3)
        options[right] = drawn.choice(good)
        rows.append({"question": ask, "passage": f"{SAID[language][2]} {i}", "A": options[0], "B": options[1],
                     "C": options[2] if i % 5 else "", "answer": "ABC"[right]})  # fmt: skip
    model = tiny_bert(place / "model", texts=[text for row in rows for text in row.values()])
    bundle = tune(
        str(write_csv(place / "train.csv", rows[:60])), f"data.test={write_csv(place / 'test.csv', rows[60:])}",
        "data.split.validation=0.15", f"model={model}", f"bundle={place / 'b'}", "training.epochs=8", *SETTINGS,
    )  # fmt: skip
    return language, bundle


def test_choices_are_learned(choosing: tuple[str, Bundle]) -> None:
    report = choosing[1].report
    assert report["task"] == "multiple-choice" and report["primary"] == "accuracy"
    assert report["metrics"]["accuracy"]["value"] > 0.8 > report["before"]["metrics"]["accuracy"]["value"]
    assert "overlap" in report["baselines"] and report["parity"][0]["passed"]


def test_transformers_loads_the_chooser_and_answers_the_same(choosing: tuple[str, Bundle]) -> None:
    language, bundle = choosing
    good, bad, question = KINDS[language]
    context, choices = SAID[language][2], [*bad[:2], good[0], bad[3]]
    (ours,) = read_bundle(bundle.path).predict([{"question": question, "context": context, "choices": choices}])
    tokenizer = AutoTokenizer.from_pretrained(bundle.path)
    model = AutoModelForMultipleChoice.from_pretrained(bundle.path).eval()
    inputs = tokenizer([context] * 4, [f"{question} {c}" for c in choices], padding=True, return_tensors="pt")
    with torch.no_grad():
        scores = model(**{key: value[None] for key, value in inputs.items()}).logits[0].softmax(-1)
    assert ours["scores"] == pytest.approx(scores.tolist(), abs=1e-4)
    assert ours["text"] == choices[int(scores.argmax())] == good[0]


@pytest.mark.parametrize("given", [{"question": "Where?", "choices": ["one"]}, {"question": "", "choices": ["a", "b"]}])
def test_bad_requests_are_errors(choosing: tuple[str, Bundle], given: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="Row 1"):
        choosing[1].predict([given])

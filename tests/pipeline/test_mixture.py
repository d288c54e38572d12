"""Several tasks over one backbone: learned together, kept in one bundle, answered in one pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_files import LEARNS, QUICK

from tunesmith import tune
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.recipe import Recipe
from tunesmith.pipeline.candidate import candidate
from tunesmith.pipeline.measure import measured
from tunesmith.pipeline.plan import plan
from tunesmith.tasks.mixture import Mixture
from tunesmith.testing import toy_rows

PLACES = {"en": ["room", "staff", "food", "film"], "zh": ["房间", "服务", "早餐", "电影"]}
WANTED = {"en": "positive", "zh": "积极"}


def parts(place: Path, language: str) -> dict[str, Any]:
    """Sentiment of some texts, and the things that other texts speak of."""
    rows = toy_rows(language, 320)
    spans = []
    for row in rows[160:]:
        found = [(row["text"].find(word), word) for word in PLACES[language] if word in row["text"]]
        spans.append({
            "text": row["text"],
            "spans": [{"start": start, "end": start + len(word), "label": "thing"} for start, word in found],
        })  # fmt: skip
    for name, some in (("mood", rows[:160]), ("things", spans)):
        (place / f"{name}.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in some), "utf-8")
    return {
        "mood": {"path": str(place / "mood.jsonl")},
        "things": {"path": str(place / "things.jsonl"), "task": "token-classification"},
    }


@pytest.fixture(scope="module", params=["en", "zh"])
def mixed(request: pytest.FixtureRequest, models: dict[str, str], tmp_path_factory: Any) -> tuple[str, Bundle]:
    place = tmp_path_factory.mktemp("mixture")
    bundle = tune(
        {"data": {"parts": parts(place, request.param)}, "task": {"temperature": 2.0}},
        f"model={models['bert']}", f"bundle={place}/bundle", *LEARNS, "training.patience=null", "training.epochs=30",
        "model.pooling=mean",
    )  # fmt: skip
    return request.param, bundle


def test_both_parts_learn(mixed: tuple[str, Bundle]) -> None:
    report = mixed[1].report
    assert report["metrics"]["mood/macro_f1"]["value"] >= 0.85
    assert report["metrics"]["things/micro_f1"]["value"] >= 0.85
    mean = report["metrics"]["mean(mood/macro_f1,things/micro_f1)"]["value"]
    both = [report["metrics"][name]["value"] for name in ("mood/macro_f1", "things/micro_f1")]
    assert mean == pytest.approx(sum(both) / 2) and report["primary"].startswith("mean(")
    assert set(report["parts"]) == {"mood", "things"}
    assert set(report["parts"]["mood"]["baselines"]) == {"majority", "tfidf"}
    assert report["parts"]["things"]["per_class"][0]["name"] == "thing"
    assert report["parity"][0]["passed"]


def test_one_pass_answers_all_parts(mixed: tuple[str, Bundle]) -> None:
    language, bundle = mixed
    text = {"en": "The room was great.", "zh": "房间很好。"}[language]
    predictor = read_bundle(bundle.path).predictor()
    passes: list[int] = []
    forward = predictor.runtime.forward
    predictor.runtime.forward = lambda batch: passes.append(len(batch["input_ids"])) or forward(batch)  # type: ignore
    answer = predictor.predict([{"text": text}])[0]["answers"]
    assert set(answer) == {"mood", "things"}
    assert answer["mood"]["label"] == WANTED[language]
    assert [text[s["start"] : s["end"]] for s in answer["things"]["spans"]] == [PLACES[language][0]]
    if language == "en":  # Chinese tags read characters, so that the two inputs may differ
        assert passes == [1]
    alone = predictor.predict([{"text": text, "part": "mood"}])[0]["answers"]
    assert set(alone) == {"mood"} and alone["mood"]["score"] == pytest.approx(answer["mood"]["score"], abs=1e-5)


@pytest.mark.parametrize("part", ["mood", "things"])
def test_one_part_is_measured_and_compared(part: str, mixed: tuple[str, Bundle], tmp_path: Path) -> None:
    language, bundle = mixed
    file = parts(tmp_path, language)[part]["path"]
    quick = ["evaluation.resamples=100"]
    report = measured(bundle.path, file, [f"task.part={part}", *quick])
    metric = {"mood": "macro_f1", "things": "micro_f1"}[part]
    assert report["rows"] == 160 and report["metrics"][metric]["value"] >= 0.85
    same = candidate(bundle.path, bundle.path, file, part=part)
    assert same["accepted"] and same["metric"] == metric
    with pytest.raises(RecipeError, match="a mixture of mood, things: rows are measured for one"):
        measured(bundle.path, file, quick)
    with pytest.raises(RecipeError, match='no part "mod"; it has mood, things'):
        candidate(bundle.path, bundle.path, file, part="mod")


def test_transformers_reads_the_backbone(mixed: tuple[str, Bundle]) -> None:
    from transformers import AutoModel

    model, found = AutoModel.from_pretrained(mixed[1].path, output_loading_info=True)
    assert not [key for key in found["missing_keys"] if "pooler" not in key]
    ours = dict(mixed[1].predictor().runtime.model.named_parameters())
    assert all((p == ours[f"bert.{name}"]).all() for name, p in model.named_parameters() if "pooler" not in name)


def test_relations_and_questions_are_parts_too(models: dict[str, str], near_reload: None, tmp_path: Path) -> None:
    """Their heads read tokens at places that only their own batch tells."""
    names = ["Acme", "Zenith", "Orion", "华为"]
    related, asked = [], []
    for i in range(60):
        one, other = names[i % 4], names[(i + 1 + i // 4 % 3) % 4]
        text = f"{one} {['bought', 'sold'][i % 2]} {other} in {i}."
        related.append({"text": text, "head": one, "tail": other, "relation": ["buys", "sells"][i % 2]})
        answer = {"text": one, "answer_start": text.index(one)}
        asked.append({"question": "Who did it?", "context": text, "answers": [answer]})
    own = {"mood": parts(tmp_path, "en")["mood"]}
    for name, task, rows in (("deals", "relation-extraction", related), ("who", "extractive-qa", asked)):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        own[name] = {"path": str(file), "task": task}
    bundle = tune(
        {"data": {"parts": own}}, f"model={models['bert']}", f"bundle={tmp_path}/bundle", *QUICK, "training.max_steps=2"
    )
    assert {"deals/relation_macro_f1", "who/answer_f1", "mood/macro_f1"} <= set(bundle.report["metrics"])
    found = bundle.predict([{"text": "Orion bought Acme in 9.", "head": "Orion", "tail": "Acme", "part": "deals"}])
    assert found[0]["answers"]["deals"]["relation"] in ("buys", "sells")
    told = bundle.predict([{"question": "Who?", "context": "Orion bought Acme.", "part": "who"}])[0]["answers"]["who"]
    assert told["answer"] is None or told["answer"] in "Orion bought Acme."


def test_what_a_part_takes_for_granted_is_told() -> None:
    task = Mixture({"deals": "relation-extraction", "mood": "text-classification"})
    task.parts["deals"].state = {"labels": ["Other", "buys"], "none": "Other"}
    (note,) = task.notes
    assert note.startswith('deals: "Other" is taken to mean')


def test_small_parts_are_repeated_by_temperature() -> None:
    def drawn(temperature: float) -> list[int]:
        task = Mixture({"a": "text-classification", "b": "text-classification"}, temperature=temperature)
        features = [{"row": i, "parts": {"a" if i < 90 else "b": {}}} for i in range(100)]
        sample = task.sample(features)
        return [sum(name in f["parts"] for f in sample) for name in ("a", "b")]

    assert drawn(1.0) == [90, 10]
    assert drawn(2.0) == [90, 30]


class TestMistakes:
    def test_one_part_is_no_mixture(self, tmp_path: Path, models: dict[str, str]) -> None:
        own = {"mood": parts(tmp_path, "en")["mood"]}
        with pytest.raises(RecipeError, match="one part only"):
            plan(Recipe.parse({"data": {"parts": own}, "model": models["bert"]}))

    def test_a_part_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        own = parts(tmp_path, "en") | {"lost": {"path": str(tmp_path / "none.csv")}}
        with pytest.raises(DataError, match=r"data\.parts\.lost"):
            plan(Recipe.parse({"data": {"parts": own}}))

    def test_an_unknown_task_of_a_part_is_told_with_the_others(self) -> None:
        with pytest.raises(RecipeError, match=r"data\.parts\.a\.task: there is no task \"ner\""):
            Recipe.parse({"data": {"parts": {"a": {"path": "x", "task": "ner"}, "b": {"path": "y"}}}})

    def test_a_part_asked_that_is_not_there(self, mixed: tuple[str, Bundle]) -> None:
        with pytest.raises(DataError, match='part "moods"'):
            mixed[1].predict([{"text": "hm", "part": "moods"}])


def test_methods_go_with_it(tmp_path: Path, models: dict[str, str], near_reload: None) -> None:
    for method in ("freeze", "lora"):
        bundle = tune(
            {"data": {"parts": parts(tmp_path, "en")}}, f"model={models['bert']}", f"method={method}",
            f"bundle={tmp_path}/{method}", *QUICK,
        )  # fmt: skip
        assert set(bundle.predict("The room was great.")[0]["answers"]) == {"mood", "things"}

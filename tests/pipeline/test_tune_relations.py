"""Relations and roles from files to proven bundles, English and Chinese."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_files import write_csv
from transformers import AutoModelForTokenClassification

from tunesmith import tune
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.testing import tiny_bert

SETTINGS = (
    "training.learning_rate=4e-3", "training.head_learning_rate=4e-3", "training.layer_decay=1.0",
    "training.batch_size=8", "training.threads=1", "training.trackers=[jsonl]", "evaluation.resamples=100",
    "data.split.near_duplicates=false", "data.clean.duplicates=false", "data.split.validation=0.15",
    "model.max_length=48",
)  # fmt: skip
NAMES = {
    "en": ["Acme", "Zenith", "Orion", "Delta", "Nova", "Apex"],
    "zh": ["东方航空", "上海银行", "大众", "北京饭店", "华为", "联想"],
}
SAID = {"en": ("{} bought {} in {}.", "{} was sold to {} in {}."), "zh": ("{}收购了{}🙂{}。", "{}被卖给了{}🙂{}。")}


def relations(language: str, n: int) -> list[dict[str, Any]]:
    """Either entity of a sentence may be the head: the direction is what is learned."""
    rows, names = [], NAMES[language]
    for i in range(n):
        one, other = names[i % 6], names[(i + 1 + i // 6 % 5) % 6]
        text = SAID[language][i // 2 % 2].format(
            f"<e{1 + i % 2}>{one}</e{1 + i % 2}>", f"<e{2 - i % 2}>{other}</e{2 - i % 2}>", i
        )
        buyer_is_head = (i % 2 == 0) == (i // 2 % 2 == 0)
        rows.append({"text": text, "relation": "Buys(e1,e2)" if buyer_is_head else "Buys(e2,e1)"})
    return rows


@pytest.fixture(scope="module", params=["en", "zh"])
def related(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Bundle]:
    place, language = tmp_path_factory.mktemp("relations"), request.param
    rows = relations(language, 160)
    broken = {"text": "<e1>Acme</e1> alone", "relation": "Buys(e1,e2)"}
    model = tiny_bert(place / "model", texts=[row["text"] for row in rows])
    train = write_csv(place / "train.csv", [*rows[:130], broken])
    bundle = tune(
        str(train), f"data.test={write_csv(place / 'test.csv', rows[130:])}",
        f"model={model}", f"bundle={place / 'b'}", "training.epochs=14", *SETTINGS,
    )  # fmt: skip
    return language, bundle


def test_directions_are_learned(related: tuple[str, Bundle]) -> None:
    report = related[1].report
    assert report["task"] == "relation-extraction" and report["primary"] == "relation_macro_f1"
    assert report["metrics"]["relation_macro_f1"]["value"] > 0.9
    assert "marked-tfidf" in report["baselines"] and report["parity"][0]["passed"]
    assert "only some of the four marks" in json.dumps(report, ensure_ascii=False)


def test_a_relation_is_asked_in_any_spelling(related: tuple[str, Bundle]) -> None:
    language, bundle = related
    one, other = NAMES[language][1:3]
    text = SAID[language][0].format(one, other, "🙂")
    marked = SAID[language][0].format(f"<e1>{one}</e1>", f"<e2>{other}</e2>", "🙂")
    first, second, back = read_bundle(bundle.path).predict(
        [marked, {"text": text, "head": one, "tail": other}, {"text": text, "head": other, "tail": one}]
    )
    assert first == second and first["relation"] == "Buys(e1,e2)" and back["relation"] == "Buys(e2,e1)"
    assert text[first["tail"]["start"] : first["tail"]["end"]] == other == first["tail"]["text"]


def test_transformers_loads_the_bundle_and_its_logits_are_the_same(related: tuple[str, Bundle]) -> None:
    language, bundle = related
    rows = [{"text": row["text"]} for row in relations(language, 4)]
    features, ours = bundle.predictor(device="cpu").outputs(rows)
    model = AutoModelForTokenClassification.from_pretrained(bundle.path).eval()
    count = len(bundle.task.labels)  # type: ignore[attr-defined]
    assert model.config.id2label[0] == "head: Buys(e1,e2)" and model.config.num_labels == 2 * count
    for feature, wanted in zip(features, ours, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor(feature["input_ids"][None], dtype=torch.int64)).logits[0].numpy()
        head, tail = feature["read"]
        assert np.allclose(logits[head, :count] + logits[tail, count:], wanted, atol=1e-4)


def roles(language: str, n: int) -> list[dict[str, Any]]:
    """Heads in English, whole arguments in Chinese; who comes before the verb and what after it."""
    rows, names = [], NAMES[language]
    for i in range(n):
        one, other = names[i % 6], names[(i + 1 + i // 6 % 5) % 6]
        if language == "en":
            words, labels, verb = ["🙂", one, "often", "helps", other, f"{i}"], ["O", "A0", "AM", "V", "A1", "O"], 3
            rows.append({"words": words, "predicate_index": verb, "predicate": "help.01", "labels": labels})
        else:
            tags = ["O", "B-A0", "B-V", "B-A1", "I-A1", "O"]
            rows.append({"words": ["🙂", one, "帮助", "新", other, f"{i}"], "tags": tags})
    return rows


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    return path


@pytest.fixture(scope="module", params=["en", "zh"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Bundle]:
    place, rows = tmp_path_factory.mktemp("roles"), roles(request.param, 150)
    model = tiny_bert(place / "model", texts=[" ".join(row["words"]) for row in rows])
    bundle = tune(
        str(written(place / "train.jsonl", rows[:120])), f"data.test={written(place / 'test.jsonl', rows[120:])}",
        f"model={model}", f"bundle={place / 'b'}", "training.epochs=16", *SETTINGS,
    )  # fmt: skip
    return request.param, bundle


def test_roles_are_learned(played: tuple[str, Bundle]) -> None:
    report = played[1].report
    assert report["task"] == "semantic-roles" and report["primary"] == "micro_f1"
    assert report["metrics"]["micro_f1"]["value"] > 0.9
    assert "role-words" in report["baselines"] and report["parity"][0]["passed"]


def test_roles_are_places_in_the_users_text(played: tuple[str, Bundle]) -> None:
    language, bundle = played
    one, other = NAMES[language][:2]
    words = ["🙂", one, "often", "helps", other] if language == "en" else ["🙂", one, "帮助", "新", other]
    words.append("7")
    verb = 3 if language == "en" else 2
    text = "  ".join(words) if language == "en" else "".join(words)
    by_words, by_text = read_bundle(bundle.path).predict(
        [{"words": words, "predicate_index": verb}, {"text": text, "words": words, "predicate": words[verb]}]
    )
    wanted = {"en": [("A0", one), ("AM", "often"), ("A1", other)], "zh": [("A0", one), ("A1", f"新{other}")]}[language]
    for answer in (by_words, by_text):
        assert [(role["label"], role["text"]) for role in answer["roles"]] == wanted
    assert all(text[role["start"] : role["end"]] == role["text"] for role in by_text["roles"])


def companies(language: str, n: int) -> list[dict[str, Any]]:
    """Who buys whom is a relation; who is named beside them has none."""
    rows, names = [], NAMES[language]
    for i in range(n):
        one, other, third = (names[(i + k * (1 + i // 6 % 2)) % 6] for k in range(3))
        said = {"en": f"{one} bought {other} in {i}, as {third} says.", "zh": f"{i}年{one}收购了{other}，{third}说。"}
        text = said[language]
        spans = [[text.index(name), text.index(name) + len(name), "company"] for name in (one, other, third)]
        rows.append({"text": text, "entities": spans, "relations": [[0, 1, "buys"]]})
    return rows


@pytest.mark.parametrize("language", ["en", "zh"])
def test_entities_and_relations_by_one_bundle(language: str, tmp_path: Path) -> None:
    rows = companies(language, 130)
    model = tiny_bert(tmp_path / "model", texts=[row["text"] for row in rows])
    bundle = tune(
        str(written(tmp_path / "train.jsonl", rows[:110])), f"data.test={written(tmp_path / 'test.jsonl', rows[110:])}",
        f"model={model}", f"bundle={tmp_path / 'b'}", "training.epochs=6", *SETTINGS,
    )  # fmt: skip
    report = bundle.report
    assert report["task"] == "entities-and-relations" and report["primary"] == "relation_micro_f1"
    figures = {name: figure["value"] for name, figure in report["metrics"].items()}
    assert figures["micro_f1"] > 0.9 and figures["relation_micro_f1"] > 0.8
    assert "seen-relations" in report["baselines"] and report["parity"][0]["passed"]
    (answer,) = read_bundle(bundle.path).predict([rows[0]["text"]])
    assert [span["text"] for span in answer["spans"]] == NAMES[language][:3]
    assert [(r["head"], r["tail"], r["label"]) for r in answer["relations"]] == [(0, 1, "buys")]

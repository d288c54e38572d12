"""Pairs to a proven bundle, which other libraries load with the same vectors."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith import tune
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import RecipeError
from tunesmith.testing import tiny_bert

SETTINGS = (
    "training.learning_rate=3e-3", "training.epochs=8", "training.batch_size=16", "training.threads=1",
    "training.trackers=[jsonl]", "evaluation.resamples=100",
)  # fmt: skip
ASKED = {
    "en": (["red", "blue", "green", "black", "white", "pink", "brown", "grey"], "Who asks for {} and {}?"),
    "zh": (["红", "蓝", "绿", "黑", "白", "粉", "棕", "灰"], "谁要{}和{}？"),
}
SAID = {
    "en": (["apple", "sea", "grass", "night", "snow", "rose", "wood", "stone"], "Take {} with {}."),
    "zh": (["苹果", "大海", "草地", "夜晚", "白雪", "玫瑰", "木头", "石头"], "把{}跟{}给他。"),
}


def pairs(language: str) -> list[dict[str, Any]]:
    """No word stands on both sides: which belong together must be learned."""
    (one, ask), (other, say) = ASKED[language], SAID[language]
    both = [(i, j) for i in range(8) for j in range(8) if i != j]
    random.Random(3).shuffle(both)
    return [{"query": ask.format(one[i], one[j]), "pos": say.format(other[i], other[j])} for i, j in both * 2]


@pytest.fixture(scope="module", params=["en", "zh"])
def tuned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[dict[str, Any]], Bundle]:
    place = tmp_path_factory.mktemp("embedding")
    rows = pairs(request.param)
    for name, some in (("train", rows[:40]), ("test", rows[40:56])):
        lines = [json.dumps(row, ensure_ascii=False) for row in some]
        (place / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    model = tiny_bert(place / "model", texts=[text for row in rows for text in row.values()])
    bundle = tune(
        str(place / "train.jsonl"), f"data.test={place / 'test.jsonl'}", "data.split.validation=0.2",
        "data.split.near_duplicates=false", f"model={model}", f"bundle={place / 'bundle'}", *SETTINGS,
    )  # fmt: skip
    return rows, bundle


def test_partners_are_learned_and_proven(tuned: tuple[list[dict[str, Any]], Bundle]) -> None:
    report = tuned[1].report
    assert report["task"] == "text-embedding" and report["primary"] == "mrr"
    after, before = (report[side]["metrics"] if side else report["metrics"] for side in ("", "before"))
    assert after["mrr"]["value"] > before["mrr"]["value"] + 0.1
    assert set(report["baselines"]) == {"tfidf_retrieval"}
    assert {"fixed", "broken"} <= set(report["flips"])
    assert report["parity"][0]["passed"]


def test_a_fresh_reader_answers_texts_and_pairs(tuned: tuple[list[dict[str, Any]], Bundle]) -> None:
    rows, bundle = tuned
    again = read_bundle(bundle.path)
    row = rows[0]
    single, pair, spelled = again.predict([row["query"], {"text": row["query"], "text_pair": row["pos"]}, row])
    assert np.allclose(single["vector"], pair["vector"], atol=1e-5)
    assert spelled["score"] == pytest.approx(pair["score"], abs=1e-6)


def test_other_libraries_give_the_same_vectors(tuned: tuple[list[dict[str, Any]], Bundle]) -> None:
    from transformers import pipeline

    rows, bundle = tuned
    texts = [row["query"] for row in rows[:5]]
    ours = np.array([answer["vector"] for answer in bundle.predict(texts)])
    tokens = pipeline("feature-extraction", model=str(bundle.path))(texts)
    mean = np.array([np.mean(states[0], axis=0) for states in tokens])
    assert np.allclose(mean / np.linalg.norm(mean, axis=1, keepdims=True), ours, atol=1e-5)
    library = pytest.importorskip("sentence_transformers")
    theirs = library.SentenceTransformer(str(bundle.path), device="cpu").encode(texts)
    assert np.allclose(theirs, ours, atol=1e-5)


def test_a_bundle_is_a_model_to_start_from(tuned: tuple[list[dict[str, Any]], Bundle], tmp_path: Path) -> None:
    rows, bundle = tuned
    scored = [
        {"sentence1": row["query"], "sentence2": rows[i - j]["pos"], "score": 5.0 - 2 * j}
        for i, row in enumerate(rows[:30]) for j in (0, 1)
    ]  # fmt: skip
    (tmp_path / "sts.json").write_text(json.dumps(scored, ensure_ascii=False), "utf-8")
    again = tune(
        str(tmp_path / "sts.json"), f"model={bundle.path}", f"bundle={tmp_path / 'b'}", *SETTINGS, "training.epochs=1"
    )
    assert again.report["primary"] == "spearman" and again.task.state["pooling"] == "mean"
    assert set(again.predict([{"text": "a", "text_pair": "b"}])[0]) == {"score"}


@pytest.mark.parametrize("method", ["lora", "freeze"])
def test_methods_without_a_head_to_train(
    tuned: tuple[list[dict[str, Any]], Bundle], tmp_path: Path, method: str
) -> None:
    rows, bundle = tuned
    (tmp_path / "a.json").write_text(json.dumps(rows[:40], ensure_ascii=False), "utf-8")
    again = tune(
        str(tmp_path / "a.json"), f"model={bundle.path}", f"bundle={tmp_path / 'b'}", f"method={method}", *SETTINGS,
        "training.epochs=1", "evaluation.baselines=false",
    )  # fmt: skip
    assert 0 < again.report["context"]["parameters"]["trained"] < again.report["context"]["parameters"]["all"]


def test_a_head_alone_cannot_be_trained(tuned: tuple[list[dict[str, Any]], Bundle], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(tuned[0][:40], ensure_ascii=False), "utf-8")
    with pytest.raises(RecipeError, match="head"):
        tune(str(tmp_path / "a.json"), f"model={tuned[1].path}", f"bundle={tmp_path / 'b'}", "method=head")

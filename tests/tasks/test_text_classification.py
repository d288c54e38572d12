"""One label a text: classes learned, encoded, weighed, decoded; and what cannot be learned is said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import BertConfig

from tunesmith.core.errors import DataError
from tunesmith.tasks.text_classification import TextClassification

ROWS = [
    {"text": "great room", "label": "good"},
    {"text": "房间很好", "label": "good"},
    {"text": "awful " * 40, "label": "bad"},
]


def learned(rows: list[dict[str, Any]] = ROWS, **options: Any) -> TextClassification:
    task = TextClassification(**options)
    task.learn(rows)
    return task


def outputs(values: list[list[float]]) -> Any:
    return SimpleNamespace(logits=torch.tensor(values))


def test_learn_sorts_classes_and_counts_them() -> None:
    assert learned().state == {"labels": ["bad", "good"], "counts": [1, 2]}
    stars = [{"text": "x", "label": label} for label in ("10", "9", 2, "无", "好")]
    assert learned(stars).labels == ["2", "9", "10", "好", "无"]


def test_a_restored_task_answers_as_the_one_that_learned() -> None:
    task = TextClassification()
    task.restore(learned().state)
    assert task.decode([np.array([0.0, 2.0])], [{"row": 0, "input_ids": [1]}]) == learned().decode(
        [np.array([0.0, 2.0])], [{"row": 0, "input_ids": [1]}]
    )


def test_configure_names_the_classes() -> None:
    config = BertConfig()
    learned().configure(config)
    assert (config.num_labels, config.id2label, config.label2id) == (
        2,
        {0: "bad", 1: "good"},
        {"bad": 0, "good": 1},
    )


def test_encode_and_collate(bert_processor: Any) -> None:
    task = learned()
    features = task.encode(ROWS, bert_processor, max_length=16, targets=True)
    assert len(features) > 3 and [f["target"] for f in features] == [1, 1] + [0] * (len(features) - 2)
    batch = task.collate(features, bert_processor)
    lengths = [len(f["input_ids"]) for f in features]
    assert batch["input_ids"].shape == (len(features), max(lengths)) == batch["token_type_ids"].shape
    assert batch["attention_mask"].sum(1).tolist() == lengths and batch["input_ids"].dtype == np.int64
    assert (batch["input_ids"][batch["attention_mask"] == 0] == bert_processor.pad_token_id).all()
    assert batch["labels"].tolist() == [f["target"] for f in features]
    plain = task.encode(ROWS, bert_processor, max_length=16, targets=False)
    assert "labels" not in task.collate(plain, bert_processor)


def test_decode_weighs_windows_by_their_length() -> None:
    features = [{"row": 0, "input_ids": [0] * n} for n in (30, 10)] + [{"row": 1, "input_ids": [0]}]
    arrays = [np.array([4.0, 0.0]), np.array([0.0, 8.0]), np.array([-1.0, 1.0])]
    long, short = learned().decode(arrays, features)
    wanted = torch.softmax(torch.tensor([3.0, 2.0]), 0)
    assert long["label"] == "bad" and long["score"] == pytest.approx(float(wanted[0]))
    assert sum(long["scores"].values()) == pytest.approx(1) and list(long["scores"]) == ["bad", "good"]
    assert short["label"] == "good"
    assert learned().response_model().model_validate(long)


def test_evidence() -> None:
    task = learned()
    features = [{"row": i, "input_ids": [0]} for i in range(3)]
    predictions = task.decode([np.array([0.0, i - 1.0]) for i in (0, 2, 3)], features)
    evidence = task.evidence(ROWS, predictions)
    assert evidence["label"].tolist() == [1, 1, 0] and evidence["predicted"].tolist() == [0, 1, 1]
    assert evidence["probabilities"].shape == (3, 2)
    np.testing.assert_allclose(evidence["probabilities"].sum(1), 1)


def test_loss_is_cross_entropy() -> None:
    task, made = learned(class_weights="none"), outputs([[1.0, 0.0], [0.0, 3.0]])
    wanted = torch.nn.functional.cross_entropy(made.logits, torch.tensor([0, 1]))
    torch.testing.assert_close(task.loss(made, {"labels": torch.tensor([0, 1])}), wanted)
    smooth = learned(class_weights="none", label_smoothing=0.2)
    wanted = torch.nn.functional.cross_entropy(made.logits, torch.tensor([0, 1]), label_smoothing=0.2)
    torch.testing.assert_close(smooth.loss(made, {"labels": torch.tensor([0, 1])}), wanted)


def rows_of(**counts: int) -> list[dict[str, Any]]:
    return [{"text": "x", "label": label} for label, n in counts.items() for _ in range(n)]


@pytest.mark.parametrize(
    ("option", "counts", "weighed"),
    [
        ("auto", {"a": 2, "b": 5}, False),
        ("auto", {"a": 2, "b": 6}, True),
        ("balanced", {"a": 4, "b": 5}, True),
        ("none", {"a": 1, "b": 99}, False),
    ],
)
def test_class_weights(option: Any, counts: dict[str, int], weighed: bool) -> None:
    task = learned(rows_of(**counts), class_weights=option)
    weights = task._class_weights(torch.zeros(1))
    assert (weights is not None) is weighed
    if weights is not None:
        n = np.array(list(counts.values()))
        np.testing.assert_allclose(weights[0] / weights[1], np.sqrt(n[1] / n[0]), rtol=1e-6)
        assert float((weights * torch.from_numpy(n)).sum() / n.sum()) == pytest.approx(1)


def test_class_weights_of_what_is_trained_on() -> None:
    task = learned(rows_of(a=5000, b=5000, c=200))
    known = task._class_weights(torch.zeros(1))
    task.weigh({"a": 43.0, "b": 43.0, "c": 200.0})
    weights = task._class_weights(torch.zeros(1))
    n = torch.tensor([43.0, 43.0, 200.0])
    assert known is not None and weights is not None and weights[0] > weights[2], "old rows weigh no less than new ones"
    share = float((known * n)[:2].sum() / (known * n).sum())
    assert share < 0.1 < 0.3 < float((weights * n)[:2].sum() / (weights * n).sum())
    task.weigh({"c": 200.0, "a": 20.0})
    weights = task._class_weights(torch.zeros(1))
    assert weights is not None and float(weights[1]) == 1.0, "a class without rows"
    task.weigh({"a": 70.0, "b": 70.0, "c": 100.0})
    assert task._class_weights(torch.zeros(1)) is None and task.state["counts"] == [5000, 5000, 200]


def test_divergence_is_symmetric_and_zero_for_the_same() -> None:
    task, one, other = learned(), outputs([[1.0, 0.0], [2.0, 1.0]]), outputs([[0.0, 1.0], [2.0, 3.0]])
    p, q = one.logits.softmax(-1), other.logits.softmax(-1)
    wanted = (((p - q) * (p.log() - q.log())).sum(-1) / 2).mean()
    torch.testing.assert_close(task.divergence(one, other), wanted)
    torch.testing.assert_close(task.divergence(other, one), wanted)
    assert float(task.divergence(one, one)) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(("rows", "words"), [(rows_of(good=3), 'only "good"'), ([], "none")])
def test_one_class_cannot_be_learned(rows: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(DataError, match=f"at least two classes.*{words}"):
        TextClassification().learn(rows)


@pytest.mark.parametrize(
    ("row", "words"), [({"text": "x"}, 'Row 2 has no "label"'), ({"label": "bad"}, 'Row 2.*"text"')]
)
def test_a_row_that_lacks_something_is_named(bert_processor: Any, row: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        learned().encode([ROWS[0], row], bert_processor, max_length=16, targets=True)


def test_a_row_without_label_cannot_be_learned_or_measured() -> None:
    with pytest.raises(DataError, match='Row 2 has no "label"'):
        TextClassification().learn([ROWS[0], {"text": "x", "label": None}])
    with pytest.raises(DataError, match='Row 1 has no "label"'):
        learned().evidence([{"text": "x"}], [{"label": "bad", "scores": {"bad": 1.0, "good": 0.0}}])


def test_an_unseen_label_names_the_nearest(bert_processor: Any) -> None:
    with pytest.raises(DataError, match='The label "goood" is in no training row. Did you mean "good"'):
        learned().encode([{"text": "x", "label": "goood"}], bert_processor, max_length=16, targets=True)


def test_a_request_is_a_text_or_a_pair() -> None:
    request = learned().request_model()
    assert request.model_validate({"text": "好", "text_pair": "x"})
    for wrong in ({"text": ""}, {}, {"text": "x", "label": "good"}):
        with pytest.raises(ValidationError):
            request.model_validate(wrong)

"""Sets of labels, and numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig

from tunesmith import testing
from tunesmith.core.errors import DataError
from tunesmith.core.registry import family
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.multi_label_classification import MultiLabelClassification
from tunesmith.tasks.text_regression import TextRegression

TAGGED = [
    {"text": "great room", "labels": ["room", "价格"]},
    {"text": "房间很好", "labels": []},
    {"text": "cheap", "labels": ["价格"]},
]
PRICED = [{"text": "great room", "label": 120}, {"text": "房间很好", "label": "80.5"}, {"text": "cheap", "label": 40}]


def tagger(**options: Any) -> MultiLabelClassification:
    task = MultiLabelClassification(**options)
    task.learn(TAGGED)
    return task


def pricer() -> TextRegression:
    task = TextRegression()
    task.learn(PRICED)
    return task


def test_labels_are_learned_and_encoded(bert_processor: Any) -> None:
    task = tagger()
    assert task.state == {"labels": ["room", "价格"], "counts": [1, 2]}
    features = task.encode(TAGGED, bert_processor, max_length=16, targets=True)
    batch = tensors(task.collate(features, bert_processor))
    assert batch["labels"].tolist() == [[1, 1], [0, 0], [0, 1]]
    made = SimpleNamespace(logits=torch.randn(3, 2))
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(made.logits, batch["labels"].float())
    torch.testing.assert_close(task.loss(made, batch), wanted)


@pytest.mark.parametrize(("threshold", "wanted"), [(0.3, ["room", "价格"]), (0.5, ["room"]), (0.95, [])])
def test_the_threshold_decides(threshold: float, wanted: list[str]) -> None:
    task = tagger(threshold=threshold)
    logits = np.log(np.array([0.9, 0.4]) / np.array([0.1, 0.6]))
    (prediction,) = task.decode([logits], [{"row": 0, "input_ids": [1]}])
    assert prediction["labels"] == wanted and prediction["scores"] == pytest.approx({"room": 0.9, "价格": 0.4})
    evidence = task.evidence(TAGGED[:1], [prediction])
    assert evidence["labels"].tolist() == [[True, True]]
    assert evidence["predicted_labels"].sum() == len(wanted)
    assert task.response_model().model_validate(prediction)


def test_the_divergence_of_sets_is_symmetric() -> None:
    one, other = (SimpleNamespace(logits=torch.randn(4, 2)) for _ in range(2))
    p, q = one.logits.sigmoid(), other.logits.sigmoid()
    both = (p - q) * (p.logit() - q.logit())
    torch.testing.assert_close(tagger().divergence(one, other), both.sum(-1).mean() / 2)
    assert float(tagger().divergence(one, one)) == 0


def test_wrong_sets_are_said(bert_processor: Any) -> None:
    with pytest.raises(DataError, match="No training row has a label"):
        MultiLabelClassification().learn([{"text": "x", "labels": []}])
    with pytest.raises(DataError, match='"rooms" is in no training row. Did you mean "room"'):
        tagger().encode([{"text": "x", "labels": ["rooms"]}], bert_processor, max_length=16, targets=True)
    with pytest.raises(DataError, match='Row 1 has no "labels"'):
        tagger().encode([{"text": "x"}], bert_processor, max_length=16, targets=True)


def test_numbers_are_standardised_for_training(bert_processor: Any) -> None:
    task, values = pricer(), np.array([120, 80.5, 40])
    assert task.state == pytest.approx({"mean": values.mean(), "deviation": values.std()})
    features = task.encode(PRICED, bert_processor, max_length=16, targets=True)
    batch = tensors(task.collate(features, bert_processor))
    np.testing.assert_allclose(batch["labels"].numpy(), (values - values.mean()) / values.std(), rtol=1e-6)
    logits = batch["labels"].float().unsqueeze(-1)
    assert float(task.loss(SimpleNamespace(logits=logits), batch)) == pytest.approx(0, abs=1e-12)
    predictions = task.decode(list(logits.numpy()), features)
    evidence = task.evidence(PRICED, predictions)
    np.testing.assert_allclose(evidence["predicted_value"], values, rtol=1e-5)
    np.testing.assert_allclose(evidence["value"], values)
    assert task.response_model().model_validate(predictions[0])


def test_finish_folds_the_unit_into_the_model() -> None:
    task, config = pricer(), BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    task.configure(config)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    ids = torch.tensor([[1, 2, 3]])
    feature = [{"row": 0, "input_ids": [1, 2, 3]}]
    with torch.no_grad():
        (before,) = task.decode(list(model(ids).logits.numpy()), feature)
        task.finish(model)
        logits = model(ids).logits
    assert task.state == {"mean": 0.0, "deviation": 1.0}
    assert float(logits[0, 0]) == pytest.approx(before["value"], rel=1e-5)
    assert task.decode(list(logits.numpy()), feature)[0]["value"] == pytest.approx(before["value"], rel=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_head_without_bias_keeps_the_mean_in_the_state(kind: str, tmp_path: Any) -> None:
    folder = getattr(testing, f"tiny_{kind}")(tmp_path / kind, texts=["The room", "房间很好"])
    task, reference = pricer(), resolve(str(folder))
    processor, model = load_processor(reference), build(reference, task).eval()
    features = task.encode([{"text": "The room"}, {"text": ""}], processor, max_length=16, targets=False)
    batch = tensors(task.collate(features, processor))
    with torch.no_grad():
        before = task.decode(list(model(**batch).logits.numpy()), features)
        task.finish(model)
        after = task.decode(list(model(**batch).logits.numpy()), features)
    assert [p["value"] for p in after] == pytest.approx([p["value"] for p in before], rel=1e-5)


@pytest.mark.parametrize("missing", [True, False])
def test_a_causal_classifier_reads_the_last_token_and_not_the_padding(missing: bool, tmp_path: Any) -> None:
    folder = testing.tiny_gpt2(tmp_path / "gpt2", texts=["The room was great", "房间很好"])
    reference = resolve(str(folder))
    processor = load_processor(reference)
    if missing:  # as GPT-2's own
        processor.pad_token = None
    task = tagger()
    model = build(reference, task).eval()
    if missing:
        model.config.pad_token_id = model.config.eos_token_id
    texts = [{"text": "room"}, {"text": "The room was great, great, great"}]
    features = task.encode(texts, processor, max_length=32, targets=False)
    with torch.no_grad():
        together = model(**tensors(task.collate(features, processor))).logits[0]
        alone = model(**tensors(task.collate(features[:1], processor))).logits[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"text": "x", "label": 3}] * 4, "only 3"),
        ([], "none"),
        ([PRICED[0], {"text": "x", "label": "many"}], 'Row 2 has "many" where a number is wanted'),
        ([PRICED[0], {"text": "x", "label": "nan"}], 'Row 2 has "nan"'),
        ([PRICED[0], {"text": "x"}], 'Row 2 has no "label"'),
    ],
)
def test_wrong_numbers_are_said(rows: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        TextRegression().learn(rows)


def test_metrics_of_every_task_are_registered() -> None:
    for name in family("tasks"):
        parts = {"parts": {"a": "text-classification", "b": "token-classification"}} if name == "mixture" else None
        assert all(metric in family("metrics") for metric in family("tasks").make(name, parts).metrics)

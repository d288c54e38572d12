"""Spans by tags of tokens: learned, encoded, decoded over windows, and the same in ``transformers.pipeline``."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, pipeline

from tunesmith import testing
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.bundle.write import write_model
from tunesmith.core.errors import DataError
from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine, seed_everything
from tunesmith.data.shapes.token_classification import TokenShape
from tunesmith.evaluation.metrics.micro_f1 import MicroF1
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.pieces import finely_cut
from tunesmith.tasks.tag_layer import TagLayer, log_softmax
from tunesmith.tasks.token_classification import IGNORED, TokenClassification
from tunesmith.tasks.token_windows import pieces_of, put_together, token_windows
from tunesmith.training.loop import LoopSettings, train
from tunesmith.training.optim import OptimizerSettings

PLACES = {"en": ["Berlin", "New York", "Lima", "Oslo"], "zh": ["北京", "乌鲁木齐", "拉萨", "广州"]}
FRAMES = {"en": ["We live in {} now.", "My friend likes {}!"], "zh": ["我住在{}，很好。", "朋友喜欢{}！"]}


def rows_of(language: str) -> list[dict[str, Any]]:
    rows = []
    for place, frame in product(PLACES[language], FRAMES[language]):
        start = frame.index("{")
        span = {"start": start, "end": start + len(place), "label": "place"}
        rows.append({"text": frame.format(place), "spans": [span]})
    return rows


def learned(rows: list[dict[str, Any]], **options: Any) -> TokenClassification:
    task = TokenClassification(**options)
    task.learn(rows)
    return task


def perfect(task: TokenClassification, rows: list[dict[str, Any]], processor: Any, max_length: int = 64) -> Any:
    """Features, and outputs that say what the targets are."""
    features = task.encode(rows, processor, max_length=max_length, targets=True)
    width = sum(len(layer.names) for layer in task._layers)
    outputs = []
    for feature in features:
        targets = np.maximum(feature["target"], 0)
        chosen = [9 * np.eye(width // targets.shape[1])[column] for column in targets.T]
        outputs.append(np.concatenate(chosen, axis=1).astype(np.float32))
    return features, outputs


def places(prediction: dict[str, Any]) -> list[tuple[int, int, str]]:
    return [(s["start"], s["end"], s["label"]) for s in prediction["spans"]]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_targets_are_read_back_as_the_same_spans(language: str, scheme: Any, processor: Any) -> None:
    rows = rows_of(language)
    task = learned(rows, scheme=scheme)
    assert task.state == {"labels": ["place"], "counts": [8], "nested": False}
    features, outputs = perfect(task, rows, finely_cut(processor))
    for row, found in zip(rows, task.decode(outputs, features), strict=True):
        assert places(found) == [(s["start"], s["end"], s["label"]) for s in row["spans"]]
        assert [row["text"][s["start"] : s["end"]] for s in row["spans"]] == [s["text"] for s in found["spans"]]
        assert 0.9 < found["score"] <= 1 and 0.9 < found["spans"][0]["score"] <= 1
    assert task.notes == []


@pytest.mark.parametrize("text", ["我们👍🏽在北京 met Ann in New York. " * 12, "Lima" + " 北京" * 60])
def test_long_texts_keep_their_places(text: str, processor: Any) -> None:
    spans = [
        {"start": i, "end": i + len(name), "label": "place"}
        for name in ("北京", "New York", "Lima")
        for i in range(len(text))
        if text.startswith(name, i)
    ]
    task = learned([{"text": text, "spans": spans}])
    features, outputs = perfect(task, [{"text": text, "spans": spans}], finely_cut(processor), max_length=20)
    assert len(features) > 4 and all(len(f["input_ids"]) <= 20 for f in features)
    (found,) = task.decode(outputs, features)
    assert places(found) == sorted((s["start"], s["end"], "place") for s in spans)


def test_a_piece_is_answered_by_the_window_that_shows_most_around_it(bert_processor: Any) -> None:
    (pieces,) = pieces_of(["great room " * 40], [None], bert_processor)
    features = token_windows([pieces], bert_processor, 34)
    outputs = [np.arange(len(f["input_ids"]))[:, None] for f in features]
    ((same, joined),) = put_together(outputs, features)
    assert same is pieces and len(joined) == len(pieces.ids)
    # Positions in the window, the first special token being 0: neither end of a window answers where two overlap.
    inner = joined[5:-5, 0]
    assert inner.min() > 1 and inner.max() < 32


def test_given_words_are_what_is_tagged(bert_processor: Any) -> None:
    row = {"text": "room,great 很好", "words": [[0, 5], [5, 10], [11, 13]], "spans": []}
    (pieces,) = pieces_of([row["text"]], [row["words"]], bert_processor)
    assert pieces.words.tolist() == row["words"] and len(pieces.ids) > 3
    (free,) = pieces_of([row["text"]], [None], bert_processor)
    assert [row["text"][a:b] for a, b in free.words] == ["room", ",", "great", "很", "好"]


def test_signs_that_have_no_piece_are_no_words(bert_processor: Any) -> None:
    (pieces,) = pieces_of(["great \u200b room"], [[[0, 5], [6, 7], [8, 12]]], bert_processor)
    assert pieces.words.tolist() == [[0, 5], [8, 12]]


def unigram(**options: Any) -> Any:
    """A Unigram tokenizer that would take whole phrases, as XLM-R's does."""
    pieces = ["▁", "▁I", "▁我住在", "北京", "北京市", "住在", "▁Berlin", ".", "Berlin.", *"我住在北京市，▁lien"]
    model = models.Unigram([("<unk>", 0.0), *((piece, -float(8 - len(piece))) for piece in dict.fromkeys(pieces))], 0)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **options)


def test_pieces_of_phrases_are_cut_finely(tmp_path: Path) -> None:
    text = "我住在北京市， I Berlin."
    usual = unigram()
    assert "北京市" in usual.tokenize(text)
    fine = finely_cut(usual)
    assert fine is not usual and finely_cut(fine) is fine and "北京市" in usual.tokenize(text)
    (pieces,) = pieces_of([text], [None], fine)
    assert [text[a:b] for a, b in pieces.words] == [*"我住在北京市，", "I", "Berlin", "."]
    fine.save_pretrained(tmp_path)
    assert PreTrainedTokenizerFast.from_pretrained(tmp_path)(text)["input_ids"] == fine(text)["input_ids"]


def test_spans_that_tokens_cannot_hold_are_counted(bert_processor: Any) -> None:
    rows = [
        {"text": "great room", "spans": [{"start": 0, "end": 3, "label": "a"}]},
        {"text": "great room", "spans": [{"start": 0, "end": 5, "label": "a"}]},
    ]
    task = learned(rows)
    features = task.encode(rows, bert_processor, max_length=16, targets=True)
    assert features[0]["target"].tolist() == features[1]["target"].tolist(), "the words that it touches"
    assert task.notes == ["Spans that do not begin and end with a token (those that they touch are taken): 1."]


def brute(layer: TagLayer, scores: np.ndarray) -> tuple[int, ...]:
    def legal(path: tuple[int, ...]) -> bool:
        before = "O"
        for name in [*(layer.names[i] for i in path), "O"]:
            inside = name[0] in "IE"
            if inside and (before[0] not in "BI" or before[1:] != name[1:]):
                return False
            if not inside and layer.scheme == "BIOES" and before[0] in "BI":
                return False
            before = name
        return True

    paths = filter(legal, product(range(len(layer.names)), repeat=len(scores)))
    return max(paths, key=lambda path: sum(scores[i, k] for i, k in enumerate(path)))


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_decoding_finds_the_likeliest_legal_tags(scheme: Any) -> None:
    layer = TagLayer(("a", "b"), scheme)
    for seed in range(12):
        length = 1 + seed % 4
        scores = log_softmax(np.random.default_rng(seed).normal(size=(length, len(layer.names))) * 2)
        assert tuple(layer.best(scores)) == brute(layer, scores)


def test_without_constraints_tags_are_read_as_they_come(bert_processor: Any) -> None:
    task = learned([{"text": "great room", "spans": [{"start": 0, "end": 5, "label": "a"}]}], constrained=False)
    features = task.encode([{"text": "great room"}], bert_processor, max_length=16, targets=False)
    only_inside = [np.tile(np.array([0, 0, 5.0]), (len(features[0]["input_ids"]), 1))]
    assert places(task.decode(only_inside, features)[0]) == [(0, 10, "a")]


NESTED = [
    {
        "text": "北京大学在北京",
        "spans": [
            {"start": 0, "end": 4, "label": "org"},
            {"start": 0, "end": 2, "label": "place"},
            {"start": 5, "end": 7, "label": "place"},
        ],
    }
]


def test_nested_spans_get_tags_of_their_own(bert_processor: Any) -> None:
    task = learned(NESTED)
    assert task.state["nested"] is True
    config = SimpleNamespace()
    task.configure(config)  # type: ignore[arg-type]
    assert config.id2label == dict(enumerate(["O-org", "B-org", "I-org", "O-place", "B-place", "I-place"]))
    features, outputs = perfect(task, NESTED, bert_processor)
    assert places(task.decode(outputs, features)[0]) == [(0, 2, "place"), (0, 4, "org"), (5, 7, "place")]
    batch = tensors(task.collate(features, bert_processor))
    assert batch["labels"].shape == (*batch["input_ids"].shape, 2)
    loss = task.loss(SimpleNamespace(logits=torch.from_numpy(outputs[0])[None]), batch)
    assert 0 < float(loss) < 0.01
    flat = learned(NESTED, nested="off")
    features, outputs = perfect(flat, NESTED, bert_processor)
    assert places(flat.decode(outputs, features)[0]) == [(0, 4, "org"), (5, 7, "place")]
    assert task.notes == ["Spans overlap in the training rows, so each label has tags of its own (nested: on)."]
    assert flat.notes == ["Spans that overlap another and are not learned: 1."]


def test_figures_are_those_of_seqeval() -> None:
    scoring = pytest.importorskip("seqeval.metrics")
    draw = np.random.default_rng(5)
    kinds = ["O", "B-a", "I-a", "B-b", "I-b"]
    true, predicted = ([[kinds[i] for i in draw.integers(0, 5, 12)] for _ in range(40)] for _ in range(2))

    def read(rows: list[list[str]]) -> list[dict[str, Any]]:
        return [r for tags in rows for r in TokenShape().read({"tokens": ["w"] * 12, "tags": tags}, target=True)]

    rows, answers = read(true), [{"spans": r["spans"], "score": 0.5} for r in read(predicted)]
    evidence = learned(rows).evidence(rows, answers)
    assert MicroF1()(evidence) == pytest.approx(scoring.f1_score(true, predicted))
    assert family("metrics").make("precision")(evidence) == pytest.approx(scoring.precision_score(true, predicted))
    assert family("metrics").make("recall")(evidence) == pytest.approx(scoring.recall_score(true, predicted))


def test_a_label_unseen_in_training_counts_as_missed(bert_processor: Any) -> None:
    task = learned([{"text": "great room", "spans": [{"start": 0, "end": 5, "label": "a"}]}])
    rows = [
        {"text": "great room", "spans": [{"start": 0, "end": 5, "label": "a"}, {"start": 6, "end": 10, "label": "new"}]}
    ]
    features = task.encode(rows, bert_processor, max_length=16, targets=True)
    assert (features[0]["target"][1:-1] == IGNORED).any() and task.notes == [
        "Spans of a label that no training row has: 1."
    ]
    evidence = task.evidence(rows, [{"spans": rows[0]["spans"][:1], "score": 1.0}])
    assert evidence["class_counts"].tolist() == [[1, 0, 1, 1, 1, 0]] and not evidence["hit"][0]
    assert MicroF1()(evidence) == pytest.approx(2 / 3)
    assert evidence["true"][0] == "great = a; room = new" and evidence["predicted_as"][0] == "great = a"


def test_ten_thousand_labels_and_none_are_refused() -> None:
    many = [{"text": "a", "spans": [{"start": 0, "end": 1, "label": f"x{i}"}]} for i in range(10_000)]
    with pytest.raises(DataError, match="10,000 labels"):
        learned(many)
    with pytest.raises(DataError, match="nothing to find"):
        learned([{"text": "a", "spans": []}])


def tiny(folder: Path, rows: list[dict[str, Any]], task: TokenClassification) -> tuple[Any, Any]:
    path = testing.tiny_bert(folder, texts=[row["text"] for row in rows], layers=1)
    processor = task.adapt(load_processor(resolve(str(path))))
    seed_everything(3)
    return build(resolve(str(path)), task), processor


def test_a_hundred_thousand_characters_and_no_text_are_answered(tmp_path: Path) -> None:
    rows = rows_of("zh")
    task = learned(rows)
    model, processor = tiny(tmp_path / "m", rows, task)
    predictor = Predictor(task, processor, TorchRuntime(model), max_length=256)
    long = "我住在北京，很好。" * 11_200
    first, empty, blank = predictor.predict([{"text": long}, {"text": ""}, {"text": " \n"}])
    assert len(long) > 100_000 and empty == blank == {"spans": [], "score": 1.0}
    assert all(long[s["start"] : s["end"]] == s["text"] for s in first["spans"]) and 0 <= first["score"] <= 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pipeline_of_transformers_finds_the_same_spans(language: str, tmp_path: Path) -> None:
    rows = rows_of(language)
    task = learned(rows)
    model, processor = tiny(tmp_path / "m", rows, task)
    features = task.encode(rows, processor, max_length=64, targets=True)
    settings = LoopSettings(60, 8, OptimizerSettings(1e-2), patience=None)
    train(model, task, processor, features, settings, Machine("cpu", "fp32", 1), tmp_path / "run")
    model.eval()
    write_model(tmp_path / "bundle", model, processor)
    found = Predictor(task, processor, TorchRuntime(model), max_length=64).predict([{"text": r["text"]} for r in rows])
    theirs = pipeline("token-classification", str(tmp_path / "bundle"), aggregation_strategy="simple", device="cpu")
    for row, ours in zip(rows, found, strict=True):
        assert places(ours) == [(s["start"], s["end"], s["label"]) for s in row["spans"]]
        same = [(s["start"], s["end"], s["entity_group"]) for s in theirs(row["text"])]
        assert places(ours) == same

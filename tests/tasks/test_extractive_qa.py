"""Questions answered by a span: windows, offsets, no answer, and the same from transformers alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith import testing
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.core.errors import DataError
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.tasks.answer_spans import best_in_windows, best_threshold
from tunesmith.tasks.extractive_qa import IGNORED, ExtractiveQA
from tunesmith.tasks.passages import slices

PLACES = ["Berlin", "Rome", "北京", "上海"]
CONTEXT = "🙂 Ann lives in Berlin. 👩‍👩‍👧 小明住在北京，小红住在上海。 "


def row(question: str, context: str, *answers: str) -> dict[str, Any]:
    return {
        "question": question,
        "context": context,
        "answers": [{"text": text, "start": context.index(text)} for text in answers],
    }


def task(**options: Any) -> ExtractiveQA:
    made = ExtractiveQA(**options)
    made.learn([row("Where is Ann?", CONTEXT, "Berlin"), row("小明住在哪里？", CONTEXT, "北京")])
    return made


def sure(feature: dict[str, Any], answer: str, height: float = 30.0) -> np.ndarray:
    """Scores of a model that is sure of ``answer`` wherever it stands whole in the window."""
    logits = np.zeros((len(feature["input_ids"]), 2), np.float32)
    start = feature["context"].index(answer)
    places = feature["places"]
    first = np.flatnonzero((places[:, 0] <= start) & (places[:, 1] > start) & (places[:, 0] >= 0))
    last = np.flatnonzero((places[:, 0] < start + len(answer)) & (places[:, 1] >= start + len(answer)))
    if len(first) and len(last):
        logits[first[0], 0] = logits[last[-1], 1] = height
    return logits


@pytest.mark.parametrize("answer", ["Berlin", "小红", "👩‍👩‍👧", "北京，小红住在上海"])
@pytest.mark.parametrize("before", [0, 1, 7])
def test_offsets_are_those_of_the_users_text(processor: Any, answer: str, before: int) -> None:
    filler = "It was a great room, 房间很好🙂。 "
    context = filler * before + CONTEXT + filler * 3
    asked = [{"question": "Where?", "context": context}] * 2
    features = task(max_answer_length=40).encode(asked, processor, max_length=64, targets=False)
    assert all(len(feature["input_ids"]) <= 64 for feature in features) and len(features) >= 2
    predictions = task(max_answer_length=40).decode([sure(f, answer) for f in features], features)
    assert len(predictions) == 2
    for found in predictions:
        assert context[found["start"] : found["end"]] == found["answer"]
        assert answer in found["answer"] and len(found["answer"]) <= len(answer) + 3
        assert 0.5 < found["score"] <= 1


def test_each_window_has_the_question_and_together_they_have_the_context(processor: Any) -> None:
    context = CONTEXT * 12
    features = task().encode([row("Where is Ann?", context, "上海")], processor, max_length=48, targets=True)
    question = processor("Where is Ann?", add_special_tokens=False)["input_ids"]
    covered = np.zeros(len(context), bool)
    for feature in features:
        assert feature["input_ids"][1 : 1 + len(question)].tolist() == question
        for start, end in feature["places"][feature["places"][:, 0] >= 0]:
            covered[start:end] = True
    assert all(seen or char.isspace() or not char.isalnum() for seen, char in zip(covered, context, strict=True))
    whole = [feature for feature in features if feature["target"].any()]
    assert whole and len(whole) < len(features), "only some windows hold the answer; the others learn that they do not"
    for feature in whole:
        (first, last) = feature["target"][0]
        assert "上海" in context[feature["places"][first, 0] : feature["places"][last, 1]]


def test_a_context_of_100_000_characters_and_a_question_of_as_many(bert_processor: Any) -> None:
    context = CONTEXT * (100_000 // len(CONTEXT)) + "The end is near Rome."
    features = task().encode(
        [{"question": "Where? " * 15_000, "context": context}], bert_processor, max_length=128, targets=False
    )
    assert all(len(feature["input_ids"]) <= 128 for feature in features) and len(features) > 500
    (found,) = task(max_answer_length=20).decode([sure(f, "near Rome") for f in features], features)
    assert "near Rome" in found["answer"]
    assert context[found["start"] : found["end"]] == found["answer"]


def test_several_references_share_the_target_and_only_the_context_can_answer(bert_processor: Any) -> None:
    made = task()
    rows = [row("Where is Ann?", CONTEXT, "Berlin", "lives in Berlin", "Berlin")]
    (feature,) = made.encode(rows, bert_processor, max_length=128, targets=True)
    labels = made.collate([feature], bert_processor)["labels"][0]
    assert labels.clip(0).sum(0).tolist() == pytest.approx([1, 1])
    assert sorted(set(labels[:, 0].clip(0).tolist())) == pytest.approx([0, 1 / 3, 2 / 3])
    outside = np.flatnonzero(feature["places"][:, 0] < 0)[1:]
    assert (labels[outside] == IGNORED).all() and (labels[0] == 0).all()


def test_answers_are_no_longer_than_those_learned_or_asked_for(bert_processor: Any) -> None:
    asked = [{"question": "Where?", "context": CONTEXT}]
    for made, longest in ((task(), len("Berlin")), (task(max_answer_length=2), 2)):
        (feature,) = made.encode(asked, bert_processor, max_length=128, targets=False)
        logits = np.random.default_rng(3).normal(size=(len(feature["input_ids"]), 2))
        (found,) = made.decode([logits], [feature])
        assert 0 < len(found["answer"]) <= max(longest, 6)
        assert made.state["longest"] == len("Berlin")


class TestNoAnswer:
    def made(self) -> ExtractiveQA:
        made = ExtractiveQA()
        made.learn([row("Where is Ann?", CONTEXT, "Berlin"), row("Where is Bob?", CONTEXT)])
        return made

    def test_only_rows_without_an_answer_teach_it(self) -> None:
        assert self.made().may_be_none and not task().may_be_none
        assert "no_answer_score" in self.made().response_model().model_fields
        assert "no_answer_score" not in task().response_model().model_fields

    def test_the_first_token_speaks_for_none(self, bert_processor: Any) -> None:
        made = self.made()
        features = made.encode([row("Where is Bob?", CONTEXT * 4)] * 2, bert_processor, max_length=64, targets=True)
        assert all((feature["target"] == 0).all() for feature in features)
        outputs = [
            sure(feature, "Berlin") if feature["row"] else np.zeros((len(feature["input_ids"]), 2))
            for feature in features
        ]
        for logits in outputs:
            logits[0] = 6
        none, some = made.decode(outputs, features)
        assert none == {"answer": "", "start": 0, "end": 0, "score": none["score"], "no_answer_score": none["score"]}
        assert none["score"] > 0.99 and some["answer"] == "Berlin" and some["no_answer_score"] < 0.01

    def test_the_threshold_is_chosen_on_validation_rows(self, bert_processor: Any) -> None:
        made = self.made()
        rows = [row(f"Where is Ann? {i}", CONTEXT, *(["Berlin"] if i % 2 else [])) for i in range(8)]
        features = made.encode(rows, bert_processor, max_length=128, targets=True)
        # A model that always prefers a span: by 4 where there is none, by 10 where there is one.
        outputs = [sure(feature, "Berlin", 5.0 if feature["row"] % 2 else 2.0) for feature in features]
        assert all(p["answer"] for p in made.decode(outputs, features))
        made.choose(rows, outputs, features)
        assert 4 < made.state["threshold"] < 10
        again = ExtractiveQA()
        again.restore(made.state)
        assert [bool(p["answer"]) for p in again.decode(outputs, features)] == [bool(row["answers"]) for row in rows]

    def test_evidence(self) -> None:
        made = self.made()
        rows = [
            row("a?", CONTEXT, "Berlin", "in Berlin"),
            row("b?", CONTEXT),
            row("c?", CONTEXT),
            row("d?", CONTEXT, "Ann"),
        ]
        given = [("in Berlin.", 0.9), ("", 0.8), ("Ann", 0.3), ("", 0.6)]
        found = made.evidence(rows, [{"answer": text, "score": score} for text, score in given])
        assert found["exact_match"].tolist() == [1, 1, 0, 0] == found["answer_f1"].tolist()
        assert found["answerable"].tolist() == [True, False, False, True]
        assert found["answered"].tolist() == [True, False, True, False]
        assert found["true"].tolist()[:2] == ["Berlin", "(no answer)"]


def test_best_threshold_is_in_the_middle_of_the_best_gap() -> None:
    margins, scores, empty = np.array([-1.0, 1.0, 3.0, 9.0]), np.array([0, 0, 0.8, 0.9]), np.array([1.0, 1.0, 0, 0])
    assert best_threshold(margins, scores, empty) == 2.0
    assert best_threshold(margins, np.ones(4), np.zeros(4)) < -1
    assert best_threshold(margins, np.zeros(4), np.ones(4)) > 9


def test_spans_of_different_windows_share_their_probability() -> None:
    places = np.array([[-1, -1], [0, 3], [3, 6]])
    one = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    other = np.where(places < 0, -1, places + 6)
    alone = best_in_windows([(one, places)], 9, with_none=False)
    assert (alone.start, alone.end) == (0, 6) and alone.margin == 10
    assert best_in_windows([(one, places), (one, other)], 9, with_none=False).score == pytest.approx(alone.score / 2)
    again = best_in_windows([(one, places), (one, places)], 9, with_none=False)
    assert again.score == pytest.approx(alone.score), "what two overlapping windows say is one answer"
    assert best_in_windows([(one, places)], 3, with_none=True).end in (3, 6)
    nothing = best_in_windows([(one, np.full_like(places, -1))], 3, with_none=False)
    assert (nothing.start, nothing.end, nothing.score) == (0, 0, 0.0)


def test_slices_cover_everything_and_the_last_is_full() -> None:
    places = [(2 * i, 2 * i + 1) for i in range(23)]
    found = slices(places, 50, room=8, overlap=0.25)
    assert found[0][0] == 0 and found[-1] == (30, 50)
    assert all(a[1] > b[0] for a, b in zip(found, found[1:], strict=False))
    assert slices(places, 50, room=23, overlap=0.25) == [(0, 50)]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"question": "", "context": "Rome"}], "Row 1: the question is empty"),
        (
            [{"question": "Where?", "context": "Rome"}, {"question": "Where?", "context": " "}],
            "Row 2: the context is empty",
        ),
    ],
)
def test_a_pair_with_one_side_empty_is_an_error_that_says_where(bert_processor: Any, rows: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        task().encode(rows, bert_processor, max_length=64, targets=False)


def test_rows_without_any_answer_teach_nothing() -> None:
    with pytest.raises(DataError, match="nothing to learn"):
        ExtractiveQA().learn([row("Where?", CONTEXT)])


def test_transformers_alone_gives_the_same_answers(tmp_path: Path) -> None:
    """transformers 5 has no question-answering pipeline any more: this is what its model and tokenizer say."""
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    made = task(max_answer_length=100)
    reference = resolve(str(testing.tiny_bert(tmp_path / "tiny", texts=[CONTEXT])))
    torch.manual_seed(5)
    model, processor = build(reference, made), load_processor(reference)
    for part in (model, processor):
        part.save_pretrained(tmp_path / "saved")
    rows = [
        {"question": q, "context": c}
        for q in ("Where is Ann?", "小红住在哪里？")
        for c in (CONTEXT, CONTEXT[:24], "小红住在上海")
    ]
    ours = Predictor(made, processor, TorchRuntime(model), max_length=128).predict(rows)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    plain = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "saved").eval()
    for asked, found in zip(rows, ours, strict=True):
        inputs = tokenizer(asked["question"], asked["context"], return_tensors="pt", return_offsets_mapping=True)
        offsets, sides = (
            inputs.pop("offset_mapping")[0],
            np.array([s if s is not None else -1 for s in inputs.sequence_ids()]),
        )
        with torch.no_grad():
            outputs = plain(**inputs)
        start, end = (
            x[0].masked_fill(torch.tensor(sides != 1), -1e4).softmax(-1)
            for x in (outputs.start_logits, outputs.end_logits)
        )
        scores = (start[:, None] * end[None, :]).triu()
        i, j = divmod(int(scores.argmax()), len(end))
        assert (found["start"], found["end"]) == (int(offsets[i, 0]), int(offsets[j, 1]))
        assert found["score"] == pytest.approx(float(scores[i, j]), abs=1e-5)

"""One of several choices: different numbers of them, windows of a long text, and the same from transformers alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith import testing
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.core.errors import DataError
from tunesmith.models.build import build
from tunesmith.models.heads import mean
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.multiple_choice import MultipleChoice, chosen

CONTEXT = "🙂 The room was great, 房间很好。 "
TEXTS = ["What is it?", "它怎么样？", "a great room", "很好", "clean", "不好"]


def row(choices: int, context: str = "", answer: int = 0) -> dict[str, Any]:
    return {"question": TEXTS[choices % 2], "choices": TEXTS[2 : 2 + choices], "context": context, "answer": answer}


ROWS = [row(2), row(4, CONTEXT, 3), row(3, CONTEXT * 2, 1), row(2, CONTEXT, 1)]


@pytest.fixture
def made() -> MultipleChoice:
    task = MultipleChoice()
    task.learn(ROWS)
    return task


def test_a_feature_holds_all_choices_each_with_the_question(processor: Any, made: MultipleChoice) -> None:
    features = made.encode(ROWS, processor, max_length=64, targets=True)
    assert [len(feature["sequences"]) for feature in features] == [2, 4, 3, 2]
    assert [feature["target"] for feature in features] == [0, 3, 1, 1]
    for feature, given in zip(features, ROWS, strict=True):
        assert len(feature["input_ids"]) == max(len(one["input_ids"]) for one in feature["sequences"])
        for sequence, choice in zip(feature["sequences"], given["choices"], strict=True):
            for text in (given["question"], choice):
                inside = processor(text, add_special_tokens=False)["input_ids"]
                assert " ".join(map(str, inside[1:])) in " ".join(map(str, sequence["input_ids"]))
    every = np.concatenate([one["input_ids"] for feature in features for one in feature["sequences"]])
    assert made.token_ids(features).tolist() == sorted(set(every.tolist()))


def test_choices_that_a_row_does_not_have_count_for_nothing(bert_processor: Any, made: MultipleChoice) -> None:
    features = made.encode(ROWS, bert_processor, max_length=64, targets=True)
    batch = made.collate(features, bert_processor)
    assert batch["input_ids"].shape[:2] == (4, 4) and batch["labels"].tolist() == [0, 3, 1, 1]
    logits = torch.tensor([[1.0, 2, 99, 99], [1, 2, 3, 4], [1, 2, 3, 99], [2, 1, 99, 99]], requires_grad=True)
    loss = made.loss(SimpleNamespace(logits=logits), tensors(batch))
    wanted = [
        torch.tensor(own).log_softmax(0)[i]
        for own, i in (([1.0, 2], 0), ([1.0, 2, 3, 4], 3), ([1.0, 2, 3], 1), ([2.0, 1], 1))
    ]
    assert float(loss.detach()) == pytest.approx(-float(torch.stack(wanted).mean()))
    loss.backward()
    assert logits.grad is not None and logits.grad[0, 2:].tolist() == [0, 0]

    class Fixed:
        name = "fixed"

        def forward(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
            return {"logits": logits.detach().numpy()}

    assert [array.tolist() for array in made.infer(Fixed(), batch)] == [[1, 2], [1, 2, 3, 4], [1, 2, 3], [2, 1]]  # type: ignore[arg-type]


def test_answers_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    """And transformers alone gives the same, mean pooling and all."""
    from transformers import AutoModelForMultipleChoice, AutoTokenizer

    made = MultipleChoice(reading="together")
    made.learn(ROWS)
    folder = testing.tiny_bert(tmp_path / "tiny", texts=[CONTEXT, *TEXTS])
    torch.manual_seed(5)
    model, processor = build(resolve(str(folder)), made, pooling="mean"), load_processor(resolve(str(folder)))
    assert mean.has_mean(model)
    together = Predictor(made, processor, TorchRuntime(model), max_length=64).predict(ROWS)
    for part in (model, processor):
        part.save_pretrained(tmp_path / "saved")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    plain = AutoModelForMultipleChoice.from_pretrained(tmp_path / "saved").eval()
    for given, found in zip(ROWS, together, strict=True):
        firsts = [given["context"] or given["question"]] * len(given["choices"])
        seconds = [f"{given['question']} {c}" if given["context"] else c for c in given["choices"]]
        inputs = tokenizer(firsts, seconds, padding=True, return_tensors="pt")
        with torch.no_grad():
            scores = plain(**{key: value[None] for key, value in inputs.items()}).logits[0].softmax(-1)
        assert found["scores"] == pytest.approx(scores.tolist(), abs=1e-5)
        assert found["choice"] == int(scores.argmax()) and found["text"] == given["choices"][found["choice"]]


class TestApart:
    """Choices as vectors of a sentence encoder."""

    @pytest.fixture
    def encoder(self, tmp_path: Path) -> Path:
        folder = testing.tiny_bert(tmp_path / "tiny", texts=[CONTEXT, *TEXTS])
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}', "utf-8")
        return folder

    def tuned(self, encoder: Path, **options: Any) -> tuple[MultipleChoice, Any, Any]:
        task, reference = MultipleChoice(**options), resolve(str(encoder))
        task.learn(ROWS)
        torch.manual_seed(5)
        return task, build(reference, task), load_processor(reference)

    def test_a_sentence_encoder_is_read_so_unless_told_otherwise(self, encoder: Path) -> None:
        task, model, _ = self.tuned(encoder)
        assert task.auto_model == "AutoModel" and not mean.has_mean(model)
        again = MultipleChoice()
        again.restore(task.state)
        assert again.auto_model == "AutoModel" and again.state["apart"]["pooling"] == "mean"
        together, model, _ = self.tuned(encoder, reading="together")
        assert together.auto_model == "AutoModelForMultipleChoice" and mean.has_mean(model)

    def test_scores_are_cosines_as_a_plain_encoder_gives_them(self, encoder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        task, model, processor = self.tuned(encoder, scale=10.0)
        model.save_pretrained(encoder.parent / "saved")
        plain, tokenizer = (
            AutoModel.from_pretrained(encoder.parent / "saved").eval(),
            AutoTokenizer.from_pretrained(encoder),
        )

        def vector(text: str) -> torch.Tensor:
            with torch.no_grad():
                return plain(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)

        for given, found in zip(
            ROWS, Predictor(task, processor, TorchRuntime(model), max_length=64).predict(ROWS), strict=True
        ):
            about = f"{given['question']} " if given["context"] else ""
            one = vector(given["context"].strip() or given["question"])
            cosines = torch.stack([torch.cosine_similarity(one, vector(about + c), dim=0) for c in given["choices"]])
            assert found["scores"] == pytest.approx((10 * cosines).softmax(-1).tolist(), abs=1e-4)

    def test_loss_and_windows(self, encoder: Path) -> None:
        task, model, processor = self.tuned(encoder)
        features = task.encode([*ROWS, row(2, CONTEXT * 20, 1)], processor, max_length=48, targets=True)
        assert len(features) > 6 and all(len(s["input_ids"]) <= 48 for f in features for s in f["sequences"])
        batch = task.collate(features, processor)
        given = tensors(batch)
        outputs = task.forward(model.train(), given)
        loss = task.loss(outputs, given)
        loss.backward()
        assert torch.isfinite(loss) and float(task.divergence(outputs, outputs).detach()) == pytest.approx(0, abs=1e-5)
        assert model.embeddings.word_embeddings.weight.grad.abs().sum() > 0
        wanted = task.infer(TorchRuntime(model), batch)
        assert [len(scores) for scores in wanted] == [len(f["choices"]) for f in features]
        with torch.no_grad():
            learned = task.scored(task.forward(model.eval(), given), given)[0][0]
        for scores, other in zip(wanted, learned, strict=True):  # the same formula in NumPy and in torch
            assert scores == pytest.approx(other[: len(scores)].numpy(), abs=1e-4)
        alone = task.infer(TorchRuntime(model), task.collate(features[1:2], processor))
        assert alone[0] == pytest.approx(wanted[1], abs=1e-4)


@pytest.mark.parametrize(("merge", "wanted"), [("max", 0), ("mean", 1)])
def test_windows_of_a_long_text_are_merged(bert_processor: Any, merge: Any, wanted: int) -> None:
    task = MultipleChoice(merge=merge)
    task.learn(ROWS)
    features = task.encode([row(2, CONTEXT * 20), row(2)], bert_processor, max_length=48, targets=False)
    assert len(features) > 4 and all(len(s["input_ids"]) <= 48 for f in features for s in f["sequences"])
    outputs = [np.array([0.0, 2.0]) for _ in features]
    outputs[1] = np.array([3.0, 2.0])
    predictions = task.decode(outputs, features)
    assert [p["choice"] for p in predictions] == [wanted, 1]


@pytest.mark.parametrize("part", ["context", "question", "choices"])
def test_texts_of_100_000_characters_fit(bert_processor: Any, made: MultipleChoice, part: str) -> None:
    long = CONTEXT * (100_000 // len(CONTEXT))
    given = {**row(3, CONTEXT), part: [long, "很好", "clean"] if part == "choices" else long}
    features = made.encode([given, row(2)], bert_processor, max_length=64, targets=False)
    assert all(1 < len(s["input_ids"]) <= 64 for f in features for s in f["sequences"])
    assert len(made.decode([np.zeros(len(f["sequences"])) for f in features], features)) == 2
    assert (len(features) > 100) == (part == "context")


def test_choices_with_the_same_text_are_one(made: MultipleChoice) -> None:
    found = chosen(np.array([0.0, 1.0, 5.0]), ["sun", "rain", "rain"])
    assert found["choice"] == 1 and found["score"] == max(found["scores"][1:]) or found["choice"] == 1
    same = {"question": "q?", "choices": ["sun", "rain", "rain"], "answer": 2}
    assert made.evidence([same], [found])["hit"].tolist() == [True]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"question": "", "choices": ["a", "b"]}, "Row 2: the question is empty"),
        ({"question": "q", "choices": ["a"]}, "Row 2: only one choice"),
        ({"question": "q", "choices": ["a", ""]}, "Row 2: choice 2 is empty|Row 2: only one choice"),
    ],
)
def test_bad_rows_are_errors_that_say_where(
    bert_processor: Any, made: MultipleChoice, given: Any, problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        made.encode([row(2), given], bert_processor, max_length=64, targets=False)

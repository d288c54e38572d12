"""Answers in conversations: what is learned, what is written, what does not fit, and which template."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tunesmith import testing
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.core.errors import DataError, ModelError, RecipeError
from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine, seed_everything
from tunesmith.evaluation.metrics import METRICS
from tunesmith.models.build import build
from tunesmith.models.load import load_processor
from tunesmith.models.reference import ModelReference, resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.causal_batches import prompts_of
from tunesmith.tasks.dialogue import Dialogue
from tunesmith.tasks.packing import packed
from tunesmith.training.kernels import fast_training
from tunesmith.training.loop import LoopSettings, train
from tunesmith.training.optim import OptimizerSettings

ROWS = {language: testing.toy_talks(language, 24) for language in ("en", "zh")}
TEXTS = [f"<|{m['role']}|>\n{m['content']}" for rows in ROWS.values() for row in rows for m in row["messages"]]


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelReference]:
    place = tmp_path_factory.mktemp("models")
    return {
        kind: resolve(str(getattr(testing, f"tiny_{kind}")(place / kind, texts=TEXTS))) for kind in ("llama", "gpt2")
    }


class Talker:
    """The task with its model and tokenizer."""

    def __init__(self, reference: ModelReference, language: str = "en", **options: Any) -> None:
        self.task, self.rows = Dialogue(**options), ROWS[language]
        self.task.learn(self.rows)
        self.processor = self.task.adapt(load_processor(reference))
        seed_everything(1)
        self.model: Any = build(reference, self.task).eval()

    def predictor(self, max_length: int = 128) -> Predictor:
        return Predictor(self.task, self.processor, TorchRuntime(self.model), max_length=max_length)

    def features(self, max_length: int = 128, targets: bool = True) -> list[dict[str, Any]]:
        return self.task.encode(self.rows, self.processor, max_length=max_length, targets=targets)


def asked(*said: str) -> dict[str, Any]:
    roles = ["user", "assistant"] * len(said)
    return {"messages": [{"role": r, "content": text} for r, text in zip(roles, said, strict=False)]}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_loss_is_of_the_answers_tokens_alone(
    kind: str, language: str, references: dict[str, ModelReference]
) -> None:
    talker = Talker(references[kind], language)
    features = talker.features()[:5]
    batch = tensors(talker.task.collate(features, talker.processor))
    assert batch["attention_mask"][:, 0].all() and not batch["attention_mask"].all(), "padded on the right"
    loss = talker.task.loss(talker.task.forward(talker.model, batch), batch)
    losses: list[torch.Tensor] = []
    for feature in features:  # one by one, no padding, no picking
        ids = torch.from_numpy(feature["input_ids"]).long()[None]
        logits = talker.model(ids).logits[0, :-1]
        wanted = torch.from_numpy(feature["target"])[1:].long()
        losses += [cross_entropy(one, token) for one, token in zip(logits, wanted, strict=True) if token != -100]
        learned = talker.processor.decode(feature["input_ids"][feature["target"] != -100])
        said = [m["content"] for m in talker.rows[feature["row"]]["messages"] if m["role"] == "assistant"]
        assert learned == "".join(f"{text}</s>" for text in said)
    assert torch.allclose(loss, torch.stack(losses).mean(), atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_what_is_written_does_not_hang_on_the_batch(kind: str, references: dict[str, ModelReference]) -> None:
    talker = Talker(references[kind], max_new_tokens=6)
    together = talker.predictor().predict(talker.rows)
    assert together == [talker.predictor().predict([row])[0] for row in talker.rows]
    assert {p["finish"] for p in together} <= {"stop", "length"} and all(0 < p["tokens"] <= 6 for p in together)
    with_targets = talker.features()
    written = talker.task.decode(talker.predictor().infer(with_targets), with_targets)
    assert written == together, "of features with targets, the last answer is written anew"


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_conversations_packed_in_one_row_do_not_see_each_other(
    kind: str, fast: bool, references: dict[str, ModelReference]
) -> None:
    """Loss and gradients are those of the same conversations in rows of their own."""
    talker = Talker(references[kind], packing=True)
    for module in talker.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    features = talker.features()[:7]
    longest = max(len(feature["input_ids"]) for feature in features)
    rows = packed(features, 2 * longest)
    assert len(rows) < 5 and sum(len(row.get("lengths", [0])) for row in rows) == 7
    assert all(len(row["input_ids"]) <= 2 * longest for row in rows)
    found = []
    for some in (features, rows):
        talker.model.zero_grad()
        batch = tensors(talker.task.collate(some, talker.processor))
        talker.model.train()
        with fast_training(talker.model, None, "cpu") if fast else nullcontext():
            loss = talker.task.loss(talker.task.forward(talker.model, batch), batch)
            loss.backward()
        gradients = {name: p.grad.clone() for name, p in talker.model.named_parameters()}
        found.append((loss.detach(), gradients))
    (loss, one), (again, other) = found
    assert torch.allclose(loss, again, atol=1e-6)
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


def test_packing_is_tight_and_takes_little_time() -> None:
    draw = np.random.default_rng(3)
    sizes = draw.integers(1, 513, 20_000).tolist()
    features = [
        {"input_ids": np.zeros(n, np.int32), "target": np.zeros(n, np.int64), "row": i} for i, n in enumerate(sizes)
    ]
    begun = time.process_time()
    rows = packed(features, 512)
    assert time.process_time() - begun < 3, "each row looked at for each text takes far longer"
    lengths = [row.get("lengths", [len(row["input_ids"])]) for row in rows]
    assert sorted(n for some in lengths for n in some) == sorted(sizes)
    assert max(map(sum, lengths)) <= 512 and len(rows) < 1.02 * sum(sizes) / 512


@pytest.mark.parametrize("name", ["dpo", "orpo", "kto", "grpo"])
def test_packed_answers_are_not_compared_one_by_one(name: str) -> None:
    strategy = family("strategies").make(name, {"rewards": ["length"]} if name == "grpo" else {})
    method = family("methods").make("lora")
    assert strategy.fits(Dialogue(), method) is None
    assert "task.packing=false" in str(strategy.fits(Dialogue(packing=True), method))


def test_an_exact_match_is_one_as_it_stands() -> None:
    rows = [asked("x?", said) for said in ("-5", "(A)", "是的。")]
    task = Dialogue()
    found = task.evidence(rows, [{"text": text} for text in ("5", " (A)", "是的")])["exact_match"]
    assert found.tolist() == [0, 1, 0] and "as they stand" in METRICS.make("exact_match").summary


def test_packing_is_what_training_reads(references: dict[str, ModelReference], tmp_path: Path) -> None:
    talker = Talker(references["llama"], packing=True)
    features = talker.task.sample(talker.features())
    assert len(features) < 24 and max(len(f["input_ids"]) for f in features) <= 128
    assert sum(len(f["input_ids"]) for f in features) == sum(len(f["input_ids"]) for f in talker.features())
    settings = LoopSettings(2, 4, OptimizerSettings(5e-3), patience=None)
    done = train(talker.model, talker.task, talker.processor, features, settings, Machine("cpu", "fp32", 1), tmp_path)
    assert done.steps > 0


def test_prompts_of_a_batch_with_labels() -> None:
    batch = {
        "input_ids": np.array([[5, 6, 7, 8, 9], [5, 6, 7, 0, 0]]),
        "attention_mask": np.array([[1] * 5, [1, 1, 1, 0, 0]]),
        "labels": np.array([[-100, 6, -100, -100, 9], [-100, -100, 7, -100, -100]]),
    }
    found = prompts_of(batch)
    assert found["input_ids"].tolist() == [[5, 6, 7, 8], [0, 0, 5, 6]]
    assert found["attention_mask"].tolist() == [[1, 1, 1, 1], [0, 0, 1, 1]]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_answers_are_learned_and_written(language: str, references: dict[str, ModelReference], tmp_path: Path) -> None:
    talker = Talker(references["llama"], language)
    settings = LoopSettings(60, 8, OptimizerSettings(5e-3), patience=None)
    features = talker.task.sample(talker.features())
    before = talker.task.measure(talker.predictor(), talker.rows)[1]
    train(talker.model, talker.task, talker.processor, features, settings, Machine("cpu", "fp32", 1), tmp_path)
    predictions, after = talker.task.measure(talker.predictor(), talker.rows)
    perplexity, exact = METRICS.make("perplexity"), METRICS.make("exact_match")
    assert perplexity(after) < 1.2 < perplexity(before) and exact(after) > 0.9 > exact(before)
    assert all(p["finish"] == "stop" for p in predictions)
    assert predictions[1]["text"] == talker.rows[1]["messages"][-1]["content"]
    assert perplexity(talker.task.validate(talker.predictor(), talker.rows, talker.features())) == perplexity(after)
    stopped = Dialogue(stop=("s",))
    stopped.restore(talker.task.state)
    again = Predictor(stopped, talker.processor, TorchRuntime(talker.model), max_length=128).predict(talker.rows)
    assert [p["text"] for p in again] == [p["text"].split("s")[0] for p in predictions]


@pytest.mark.parametrize("answer", ["Yes.", "是的。"])
def test_thoughts_are_no_part_of_an_answer_but_where_they_were_learned(
    answer: str, references: dict[str, ModelReference]
) -> None:
    processor = load_processor(references["llama"])
    ids = np.array(processor(f"<think>\nHm </think> 嗯\n</think>\n\n{answer}")["input_ids"])
    for thought, wanted in (
        ("", answer),
        ("<think>\nIs it?\n</think>\n\n", f"<think>\nHm </think> 嗯\n</think>\n\n{answer}"),
    ):
        task = Dialogue()
        task.learn([asked("Is it?", thought + answer)])
        (feature,) = task.encode([asked("Is it?")], task.adapt(processor), max_length=128, targets=False)
        assert task.decode([ids], [feature])[0]["text"] == wanted


def test_how_much_is_written_is_learned(references: dict[str, ModelReference]) -> None:
    talker = Talker(references["llama"])
    most = max(len(talker.processor(m["content"])["input_ids"]) for row in talker.rows for m in row["messages"][1::2])
    assert most < talker.task.decoding.max_new_tokens <= most + 32
    assert Talker(references["llama"], max_new_tokens=7).task.decoding.max_new_tokens == 7


def test_earlier_turns_of_long_conversations_go_first_and_are_counted(references: dict[str, ModelReference]) -> None:
    talker = Talker(references["llama"])
    long = asked(*(["Is it 好？", "Yes 是的."] * 12))
    long["messages"].insert(0, {"role": "system", "content": "Be brief."})
    whole, short = (talker.task.encode([long], talker.processor, max_length=n, targets=True)[0] for n in (512, 100))
    assert whole["left_out"] == 0 and len(whole["input_ids"]) > 200
    assert 60 < len(short["input_ids"]) <= 100 and short["left_out"] % 2 == 0 and short["left_out"] > 10
    text = talker.processor.decode(short["input_ids"])
    assert text.startswith("<|system|>\nBe brief.</s>\n<|user|>\nIs it") and text.endswith("Yes 是的.</s>\n")
    assert text.count("<|user|>") == (24 - short["left_out"]) / 2
    talker.task.sample([whole, short])
    assert talker.task.notes == [
        f"1 training conversations are too long for the window: {short['left_out']} earlier messages were left out of "
        "them."
    ]


def test_what_is_too_long_by_itself(references: dict[str, ModelReference]) -> None:
    """A long answer is cut, a long question cannot be answered; neither is silent."""
    talker = Talker(references["llama"], max_new_tokens=4)
    rows = [asked("Is it good?", "Yes. " * 50), asked("Is it good? " * 50, "Yes."), asked("Is it good?", "Yes.")]
    features = talker.task.encode(rows, talker.processor, max_length=60, targets=True)
    assert [(f["cut"], f["unfit"]) for f in features] == [(True, False), (False, True), (False, False)]
    assert [len(f["input_ids"]) for f in features][:2] == [60, 60] and all(len(f["target"]) <= 60 for f in features)
    assert [f["row"] for f in talker.task.sample(features)] == [0, 2]
    cut, left = talker.task.notes
    assert cut.startswith("1 training answers were cut") and left.startswith("1 training conversations were left out")
    predictions, evidence = talker.task.measure(talker.predictor(60), rows)
    assert predictions[1] == {"text": "", "tokens": 0, "finish": "length"} and predictions[2]["tokens"] > 0
    assert evidence["target_tokens"][1] == 0 and evidence["target_tokens"][2] > 0
    with pytest.raises(DataError, match="Row 2: its last message has .* tokens .* reads 60") as caught:
        talker.predictor(60).predict(rows)
    assert "Shorten" in caught.value.hint
    with pytest.raises(DataError, match="No training conversation fits") as caught:
        talker.task.sample([features[1]])
    assert "model.max_length" in caught.value.hint


def test_a_question_without_room_for_an_answer_gets_none(references: dict[str, ModelReference]) -> None:
    """Together with its own short answer it is read; asked alone it is refused."""
    talker = Talker(references["llama"], max_new_tokens=4)
    rows = [asked("Is it good? " * 3, "a"), asked("Is it good?", "Yes.")]
    (whole, _) = talker.task.encode(rows, talker.processor, max_length=512, targets=True)
    window = len(whole["input_ids"]) + 1
    predictions, evidence = talker.task.measure(talker.predictor(window), rows)
    assert predictions[0]["tokens"] == 0 < predictions[1]["tokens"] and evidence["target_tokens"][0] > 0


def test_another_template_than_that_of_the_training_is_refused(references: dict[str, ModelReference]) -> None:
    talker = Talker(references["llama"])
    state = json.loads(json.dumps(talker.task.state))
    assert state["template"] == talker.processor.chat_template and len(state["template_sha256"]) == 64
    again = Dialogue()
    again.restore(state)
    assert again.encode(talker.rows, talker.processor, max_length=128, targets=False)
    talker.processor.chat_template = talker.processor.chat_template.replace("\n", "\n\n")
    with pytest.raises(ModelError, match="not the one that the model was tuned with"):
        again.encode(talker.rows, talker.processor, max_length=128, targets=False)


def test_no_template_is_an_error_and_one_can_be_given(references: dict[str, ModelReference], tmp_path: Path) -> None:
    processor = load_processor(references["llama"])
    processor.chat_template = None
    with pytest.raises(ModelError, match="no chat template"):
        Dialogue().adapt(processor)
    file = tmp_path / "own.jinja"
    file.write_text("{% for m in messages %}{{ m['role'] }}：{{ m['content'] }}</s>{% endfor %}", "utf-8")
    own = Dialogue(template=str(file))
    own.learn(ROWS["zh"])
    adapted = own.adapt(processor)
    (feature,) = own.encode(ROWS["zh"][1:2], adapted, max_length=128, targets=True)
    assert adapted.decode(feature["input_ids"]).startswith("user：")
    with pytest.raises(RecipeError, match="task.template"):
        Dialogue(template=str(tmp_path / "none.jinja")).adapt(processor)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (asked("Hello?"), "Row 2: there is no answer"),
        (asked("Hello?", " "), "Row 2: message 2, of the assistant, is empty"),
        ({"messages": asked("a", "b")["messages"][1:]}, "Row 2: wrong order of roles: message 1 is of the assistant"),
        ({"messages": [*asked("a", "b", "c")["messages"][:2] * 2][1:]}, "wrong order of roles"),
        ({"messages": []}, "Row 2: "),
        ({"messages": [{"role": "tool", "content": "x"}]}, 'message 1 is of "tool"'),
    ],
)
def test_conversations_that_are_none(row: dict[str, Any], why: str, references: dict[str, ModelReference]) -> None:
    with pytest.raises(DataError, match=why):
        Dialogue().learn([asked("a", "b"), row])
    with pytest.raises(DataError, match=why):
        Dialogue().check([asked("a", "b"), row])


def test_a_conversation_that_the_template_refuses_is_named(references: dict[str, ModelReference]) -> None:
    talker = Talker(references["llama"])
    talker.processor.chat_template = "{{ raise_exception('no system, please') }}"
    task = Dialogue()
    with pytest.raises(DataError, match="Row 1: the chat template refuses it: no system, please"):
        task.encode(talker.rows, talker.processor, max_length=128, targets=True)


def test_nothing_to_learn_from() -> None:
    with pytest.raises(DataError, match="no training rows"):
        Dialogue().learn([])

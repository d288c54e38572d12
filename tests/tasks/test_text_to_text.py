"""Summaries and translations: what is read, learned, cut and written."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.core.errors import DataError, ModelError, RecipeError
from tunesmith.core.registry import family
from tunesmith.core.runtime import seed_everything
from tunesmith.methods.prompt_tokens import prompt_ids, with_prompt
from tunesmith.models.build import build
from tunesmith.models.load import load_config, load_processor
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.text_to_text import TextToText, around
from tunesmith.testing import tiny_t5

PAIRS = [
    {"text": "The dog is on the beach and it is happy.", "target": "Der Hund ist am Strand und das ist gut."},
    {"text": "Two children are eating ice in the street.", "target": "Zwei Kinder essen ein Eis auf der Straße."},
    {"text": "This is good.", "target": "Das ist gut und nicht zu lang."},
]
CHINESE = [
    {"text": "The dog is on the beach.", "target": "狗在海滩上它很高兴。"},
    {"text": "It is good.", "target": "很好。"},
]


def made(name: str, rows: list[dict[str, Any]], folder: Path, **options: Any) -> tuple[TextToText, Any, Any]:
    """A task that has learned, its tokenizer and its model."""
    seed_everything(2)
    reference = resolve(str(tiny_t5(folder / "t5", texts=[text for row in rows for text in row.values()])))
    task: TextToText = family("tasks").make(name, options)
    task.learn(rows)
    processor = task.adapt(load_processor(reference))
    return task, processor, build(reference, task)


def test_targets_stand_one_place_behind_as_the_models_own_shift_puts_them(tmp_path: Path) -> None:
    task, processor, model = made("translation", PAIRS, tmp_path)
    features = task.encode(PAIRS, processor, max_length=40, targets=True)
    batch = tensors(task.collate(features, processor))
    wanted = model.prepare_decoder_input_ids_from_labels(batch["labels"])
    assert torch.equal(batch["decoder_input_ids"], wanted)
    assert [row[row != -100][-1] for row in batch["labels"]] == [processor.eos_token_id] * 3
    model.eval()
    own = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"])
    torch.testing.assert_close(task.loss(task.forward(model, batch), batch), own.loss)


@pytest.mark.parametrize(
    ("name", "rows", "prefix"),
    [
        ("translation", PAIRS, "translate English to German: "),
        ("translation", CHINESE, "translate English to Chinese: "),
        ("summarization", PAIRS, "summarize: "),
    ],
)
def test_a_t5_is_told_what_to_do(name: str, rows: list[dict[str, Any]], prefix: str, tmp_path: Path) -> None:
    task, processor, _ = made(name, rows, tmp_path)
    assert task.state["prefix"] == prefix
    found, bare = (t.encode(rows, processor, max_length=90, targets=False) for t in (task, _bare(name, rows)))
    assert all(len(one["input_ids"]) > len(other["input_ids"]) for one, other in zip(found, bare, strict=True))
    assert _bare(name, rows, "do: ").state["prefix"] == "do: "


def _bare(name: str, rows: list[dict[str, Any]], prefix: str = "") -> TextToText:
    task: TextToText = family("tasks").make(name, {"prefix": prefix})
    task.learn(rows)
    return task


def test_languages_that_nobody_named_bring_no_prefix(tmp_path: Path) -> None:
    rows = [{"text": "1 2 3", "target": "4 5 6"}] * 3
    assert made("translation", rows, tmp_path)[0].state["prefix"] == ""
    told = made("translation", rows, tmp_path, source_language="en", target_language="fr")[0]
    assert told.state["prefix"] == "translate English to French: "


def test_languages_are_told_by_code_tag_or_name() -> None:
    task: Any = family("tasks").make("translation", {"source_language": "English", "target_language": "zh-CN"})
    assert task.languages == {"source_language": "en", "target_language": "zh"}
    assert family("tasks").make("translation", {"target_language": "fi"}).languages["target_language"] == "fi"
    with pytest.raises(RecipeError, match="task.target_language") as caught:
        family("tasks").make("translation", {"target_language": "klingon"})
    assert "ISO 639-1" in caught.value.hint and "Chinese" in caught.value.hint


def test_a_language_in_another_script_than_the_texts_is_refused() -> None:
    rows = [{"text": "The dog is in the house.", "target": "狗在房子里。"}]
    with pytest.raises(DataError, match='task.source_language is "zh", and the texts of the training rows are "en"'):
        family("tasks").make("translation", {"source_language": "zh", "target_language": "en"}).learn(rows)
    family("tasks").make("translation", {"source_language": "de", "target_language": "ja"}).learn(rows)
    mixed = [{"text": "小米 Xiaomi Redmi Note 12 Pro Max 5G Global Version", "target": "Xiaomi Redmi Note 12 Pro Max"}]
    family("tasks").make("translation", {"source_language": "zh", "target_language": "en"}).learn(mixed)


@pytest.mark.parametrize("rows", [PAIRS, CHINESE])
def test_a_trained_prompt_stands_in_no_target(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """A task that saw no other tokenizer than a bundle's own read the prompt as the first words of each target."""
    task, processor, _ = made("translation", rows, tmp_path)
    prompted, fresh = with_prompt(processor, 4), family("tasks").make("translation")
    found = fresh.encode(rows, prompted, max_length=64, targets=True)
    wanted = task.encode(rows, processor, max_length=64, targets=True)
    assert [one["target"].tolist() for one in found] == [one["target"].tolist() for one in wanted]
    assert all(one["input_ids"][:4].tolist() == prompt_ids(prompted) for one in found)
    assert around(prompted) == around(processor)


def test_what_is_cut_is_counted_and_told(tmp_path: Path) -> None:
    task, processor, _ = made("summarization", PAIRS, tmp_path, max_target_length=4)
    assert task.notes == []
    for _ in range(2):  # the same rows again are no further ones
        features = task.encode(PAIRS, processor, max_length=12, targets=True)
    assert [len(feature["input_ids"]) for feature in features[:2]] == [12, 12]
    assert all(feature["input_ids"][-1] == processor.eos_token_id for feature in features)
    assert all(feature["target"][-1] != processor.eos_token_id for feature in features), "a cut target does not end"
    long, short = task.notes
    assert "2 texts are longer" in long or "3 texts are longer" in long
    assert "3 targets are longer" in short and "task.max_target_length" in short
    with pytest.warns(UserWarning, match=r"2 of 3 texts are longer than 12 tokens|3 of 3 texts"):
        task.encode(PAIRS, processor, max_length=12, targets=False)
    with warnings.catch_warnings(action="error"):  # said once
        task.encode(PAIRS[::-1], processor, max_length=12, targets=False)
    with pytest.warns(UserWarning, match="1 of 1"):
        task.encode([{"text": "one more " * 20}], processor, max_length=12, targets=False)


def test_how_much_is_written_is_learned_from_the_targets(tmp_path: Path) -> None:
    task, processor, model = made("translation", PAIRS, tmp_path)
    most = max(len(processor(row["target"])["input_ids"]) for row in PAIRS)
    assert most < task.decoding.max_new_tokens < most + 40
    short, *_ = made("translation", PAIRS, tmp_path, max_new_tokens=3, beams=2)
    assert (short.decoding.max_new_tokens, short.decoding.beams) == (3, 2)
    predictions = Predictor(short, processor, TorchRuntime(model), max_length=40).predict(PAIRS)
    assert all(prediction["tokens"] <= 3 for prediction in predictions)
    assert {prediction["finish"] for prediction in predictions} <= {"stop", "length"}


def without_chinese(folder: Path) -> Any:
    return resolve(str(tiny_t5(folder / "t5", texts=[row["text"] for row in PAIRS])))


def test_what_the_tokenizer_does_not_know_is_told(tmp_path: Path) -> None:
    task: TextToText = family("tasks").make("translation", {"characters": "keep"})
    task.learn(CHINESE)
    task.adapt(load_processor(without_chinese(tmp_path)))
    assert any("targets are unknown" in note and "%" in note for note in task.notes), task.notes
    assert task.new_tokens == 0


FULL_WIDTH = [
    {"text": "The dog is happy, and the cat, too.", "target": "狗很高兴，猫也很高兴！"},
    {"text": "Is it good?", "target": "好吗？狗说：很好。"},
    {"text": "The cat is good.", "target": "猫很好。"},
]


def test_characters_that_the_tokenizer_lacks_are_learned(tmp_path: Path) -> None:
    from tunesmith.core.runtime import Machine
    from tunesmith.training.loop import LoopSettings, train
    from tunesmith.training.optim import OptimizerSettings

    seed_everything(2)
    rows = FULL_WIDTH * 3
    reference = without_chinese(tmp_path)
    task: TextToText = family("tasks").make("translation")
    task.learn(rows)
    plain = load_processor(reference)
    before = len(plain)
    processor = task.adapt(load_processor(reference))
    known = set(processor.get_added_vocab())
    assert {"狗", "，", "！", "？", "：", "。"} <= known and not known & set("abc,.!?:")
    assert len(processor) == before + task.new_tokens
    for row in rows[:3]:
        assert processor.decode(processor(row["target"])["input_ids"], skip_special_tokens=True) == row["target"]
        assert processor(row["text"])["input_ids"] == plain(row["text"])["input_ids"], "English is read as before"
    assert any("characters that the model's tokenizer lacks were added" in note for note in task.notes)
    model = build(reference, task)
    assert model.get_input_embeddings().num_embeddings == len(processor) == model.config.vocab_size
    features = task.encode(rows, processor, max_length=60, targets=True)
    settings = LoopSettings(600, 9, OptimizerSettings(1e-2), patience=None)  # all rows a step: any seed learns them
    train(model, task, processor, features, settings, Machine("cpu", "fp32", 1), tmp_path / "run")
    predictions = Predictor(task, processor, TorchRuntime(model), max_length=60).predict(rows[:3])
    assert [prediction["text"] for prediction in predictions] == [row["target"] for row in rows[:3]]
    again = family("tasks").make("translation")
    again.learn(rows)
    assert again.adapt(processor) is processor and again.new_tokens == 0, "nothing is lacking any more"


def test_a_text_can_be_learned_by_heart(tmp_path: Path) -> None:
    from tunesmith.core.runtime import Machine
    from tunesmith.training.loop import LoopSettings, train
    from tunesmith.training.optim import OptimizerSettings

    rows = [*PAIRS, *CHINESE]
    task, processor, model = made("translation", rows, tmp_path)
    features = task.encode(rows, processor, max_length=60, targets=True)
    settings = LoopSettings(160, 5, OptimizerSettings(5e-3), patience=None)
    before = _perplexity(task, processor, model, rows)
    train(model, task, processor, features, settings, Machine("cpu", "fp32", 1), tmp_path / "run")
    predictor = Predictor(task, processor, TorchRuntime(model), max_length=60)
    predictions, evidence = task.measure(predictor, rows)
    assert [prediction["text"] for prediction in predictions] == [row["target"] for row in rows]
    assert all(prediction["finish"] == "stop" for prediction in predictions)
    figures = {name: family("metrics").make(name)(evidence) for name in task.metrics}
    assert figures["bleu"] > 99 and figures["chrf"] > 99 and figures["length_ratio"] == 1
    assert figures["perplexity"] < 1.2 < before / 5


def _perplexity(task: TextToText, processor: Any, model: Any, rows: list[dict[str, Any]]) -> float:
    predictor = Predictor(task, processor, TorchRuntime(model), max_length=60)
    evidence = task.validate(predictor, rows, predictor.encode(rows, targets=True))
    return float(family("metrics").make("perplexity")(evidence))


def test_ids_of_targets_are_trained_too(tmp_path: Path) -> None:
    task, processor, _ = made("translation", PAIRS, tmp_path)
    features = task.encode(PAIRS, processor, max_length=60, targets=True)
    ids = set(task.token_ids(features).tolist())
    assert ids >= set(np.concatenate([feature["target"] for feature in features]).tolist()) | {task.state["start"]}


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no training rows"):
        family("tasks").make("summarization").learn([])
    task, processor, _ = made("summarization", PAIRS, tmp_path)
    with pytest.raises(DataError, match='Row 2 has no "text"'):
        task.encode([{"text": "a"}, {"target": "b"}], processor, max_length=9, targets=False)
    with pytest.raises(DataError, match='Row 1 has no "target"'):
        task.encode([{"text": "a"}], processor, max_length=9, targets=True)
    config = load_config(resolve(str(tmp_path / "t5")))
    config.decoder_start_token_id = None
    with pytest.raises(ModelError, match="decoder_start_token_id"):
        task.configure(config)


def test_outputs_of_two_passes_are_compared_at_labels_alone(tmp_path: Path) -> None:
    task, processor, model = made("translation", PAIRS, tmp_path)
    batch = tensors(task.collate(task.encode(PAIRS, processor, max_length=60, targets=True), processor))
    model.train()
    one, other = (task.forward(model, batch) for _ in range(2))
    assert float(task.divergence(one, one).detach()) == pytest.approx(0, abs=1e-6)
    divergence = task.divergence(one, other)
    assert float(divergence.detach()) > 0
    divergence.backward()

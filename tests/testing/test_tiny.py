"""Tiny models and toy rows: they load, they repeat, they can be learned from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from tunesmith import testing
from tunesmith.models.load import load_processor, quiet
from tunesmith.models.reference import resolve
from tunesmith.testing import tiny_bert, toy_rows

TEXTS = [row["text"] for language in ("en", "zh") for row in toy_rows(language, 60)]
KINDS = {
    "tiny_bert": AutoModel,
    "tiny_distilbert": AutoModel,
    "tiny_roberta": AutoModel,
    "tiny_gpt2": AutoModelForCausalLM,
    "tiny_llama": AutoModelForCausalLM,
    "tiny_t5": AutoModelForSeq2SeqLM,
}


@pytest.mark.parametrize("name", KINDS)
def test_every_tiny_model_loads_and_runs(name: str, tmp_path: Path) -> None:
    shape: dict[str, Any] = {"hidden": 16, "layers": 1, "max_length": 40}
    reference = resolve(str(getattr(testing, name)(tmp_path / name, texts=TEXTS, **shape)))
    processor = load_processor(reference)
    with quiet():
        model = KINDS[name].from_pretrained(reference.path).eval()
    assert reference.max_length == 40 and model.config.vocab_size == len(processor)
    batch = processor(["The room was great.", "房间很差。"], padding=True, return_tensors="pt")
    with torch.no_grad():
        if model.can_generate():
            assert len(model.generate(**batch, max_new_tokens=4, pad_token_id=processor.pad_token_id)) == 2
        else:
            assert model(**batch).last_hidden_state.shape == (*batch.input_ids.shape, 16)
    ids = processor("房间 great", add_special_tokens=False).input_ids
    assert processor.unk_token_id not in ids
    assert processor.decode(ids).replace(" ", "") == "房间great"


@pytest.mark.parametrize("name", KINDS)
def test_the_same_again(name: str, tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    first, second = (getattr(testing, name)(tmp_path / folder, texts=TEXTS) for folder in ("a", "b"))
    assert resolve(str(first)).content_hash == resolve(str(second)).content_hash
    assert torch.equal(torch.random.get_rng_state(), state)


def test_bert_has_token_types_and_masks(tmp_path: Path) -> None:
    processor = load_processor(resolve(str(tiny_bert(tmp_path / "b", texts=TEXTS))))
    assert processor("room", "房间").token_type_ids == [0, 0, 0, 1, 1, 1]
    assert processor.mask_token == "[MASK]"


def test_a_wrong_shape_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="hiden"):
        tiny_bert(tmp_path / "b", texts=TEXTS, hiden=8)  # type: ignore[call-arg]


@pytest.mark.parametrize(("language", "labels"), [("en", {"negative", "positive"}), ("zh", {"消极", "积极"})])
def test_toy_rows(language: str, labels: set[str]) -> None:
    rows = toy_rows(language, 100, seed=1)
    assert Counter(row["label"] for row in rows) == dict.fromkeys(labels, 50)
    assert len({row["text"] for row in rows}) == 100
    assert rows == toy_rows(language, 100, seed=1) != toy_rows(language, 100, seed=2)


def test_toy_rows_know_two_languages() -> None:
    with pytest.raises(ValueError, match='"de"'):
        toy_rows("de")

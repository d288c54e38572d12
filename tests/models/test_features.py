"""Vectors of a frozen backbone are computed once, and found again only by what made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tunesmith import testing
from tunesmith.models import features
from tunesmith.models.load import load_processor, quiet
from tunesmith.models.reference import resolve
from tunesmith.models.tensors import tensors
from tunesmith.tasks.sequence import padded
from tunesmith.tasks.windows import windows

TEXTS = ["The room was great.", "很好", "The staff was awful: 房间很差。", "x"]


@pytest.fixture
def parts(bert: Path) -> Any:
    reference = resolve(str(bert))
    processor = load_processor(reference)
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(reference.path).eval()
    return model, processor, windows(TEXTS, None, processor, 32)


def computed(parts: Any, folder: Path, model_hash: str = "a", **options: Any) -> np.ndarray:
    model, processor, encoded = parts
    return features.vectors(
        model, encoded, lambda chosen: padded(chosen, processor), folder=folder, model_hash=model_hash, **options
    )


def test_vectors_are_the_first_tokens_states_in_order(parts: Any, tmp_path: Path) -> None:
    model, processor, encoded = parts
    found = computed(parts, tmp_path / "f", batch_tokens=20)
    with torch.no_grad():
        wanted = [model.base_model(**tensors(padded([f], processor))).last_hidden_state[0, 0].numpy() for f in encoded]
    assert found.dtype == np.float32 and found.shape == (4, 32)
    np.testing.assert_allclose(found, np.stack(wanted), atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_where_the_first_token_has_not_seen_the_text_it_is_the_mean(kind: str, tmp_path: Path) -> None:
    reference = resolve(str(getattr(testing, f"tiny_{kind}")(tmp_path / kind, texts=TEXTS)))
    processor = load_processor(reference)
    with quiet():
        model = AutoModelForSequenceClassification.from_pretrained(reference.path).eval()
    encoded = windows([*TEXTS, TEXTS[0] + " bad"], None, processor, 32)
    found = computed((model, processor, encoded), tmp_path / "f")
    backbone = model.base_model.get_encoder() if kind == "t5" else model.base_model
    with torch.no_grad():
        wanted = [backbone(**tensors(padded([f], processor))).last_hidden_state[0].mean(0).numpy() for f in encoded]
    np.testing.assert_allclose(found, np.stack(wanted), atol=1e-5)
    assert np.abs(found[0] - found[4]).max() > 1e-4, "texts that begin alike are told apart"


def test_the_second_call_computes_nothing(parts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = np.array(computed(parts, tmp_path))

    def no(*_: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(features, "_compute", no)
    np.testing.assert_array_equal(computed(parts, tmp_path), first)
    with pytest.raises(AssertionError, match="again"):
        computed(parts, tmp_path, model_hash="b")
    with pytest.raises(AssertionError, match="again"):
        computed(parts, tmp_path, precision="bf16")


def test_the_key_is_of_tokens_types_weights_and_precision(parts: Any) -> None:
    encoded = parts[2]
    keys = {features.key(encoded, "a", "fp32"), features.key(encoded, "b", "fp32"), features.key(encoded, "a", "bf16")}
    keys.add(features.key(encoded[::-1], "a", "fp32"))
    keys.add(features.key(encoded[:-1], "a", "fp32"))
    changed = [dict(f, token_type_ids=f["token_type_ids"] + 1) for f in encoded]
    keys.add(features.key(changed, "a", "fp32"))
    joined = [dict(encoded[0], input_ids=np.concatenate([f["input_ids"] for f in encoded]))]
    keys.add(features.key(joined, "a", "fp32"))
    assert len(keys) == 7
    assert features.key([dict(f, target=1) for f in encoded], "a", "fp32") == features.key(encoded, "a", "fp32")


def test_one_plain_file_and_no_pickle(parts: Any, tmp_path: Path) -> None:
    computed(parts, tmp_path / "f")
    (file,) = (tmp_path / "f").iterdir()
    assert file.suffix == ".npy" and np.load(file, allow_pickle=False).shape == (4, 32)


def test_a_kill_while_writing_leaves_no_half_file(parts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(file: Any, array: np.ndarray, **_: Any) -> None:
        file.write(b"\x93NUMPY")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", half)
    with pytest.raises(KeyboardInterrupt):
        computed(parts, tmp_path)
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.npy"))
    assert computed(parts, tmp_path).shape == (4, 32)


def test_no_texts_give_no_vectors(parts: Any, tmp_path: Path) -> None:
    model, processor, _ = parts
    assert computed((model, processor, []), tmp_path).shape == (0, 32)


def test_progress_is_told(parts: Any, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    computed(parts, tmp_path, batch_tokens=16, progress=lambda done, all_: told.append((done, all_)))
    assert told[-1] == (4, 4) and len(told) > 1

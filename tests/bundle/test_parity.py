"""What is saved answers as what was trained, or does not ship."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.bundle.parity import (
    ROWS,
    answer,
    compare,
    offline_environment,
    prove_reload,
    reload_in_fresh_process,
    same,
    tokens_of,
)
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.core.errors import BundleError
from tunesmith.pipeline.shrink_sides import Side


@pytest.fixture
def rows(texts: list[str]) -> list[dict[str, Any]]:
    return [{"text": text, "label": "good"} for text in [*texts, "房间很好" * 12]]


def test_fresh_process_gives_equal_answers(
    bundle: Bundle, model: Any, processor: Any, task: Any, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = bundle.path.parent / "shadow"
    shadow.mkdir()
    (shadow / "transformers.py").write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(shadow)
    predictor = Predictor(task, processor, TorchRuntime(model), max_length=bundle.manifest.max_length)
    features, arrays = predictor.outputs(rows)
    predictions = task.decode(arrays, features)
    parity = prove_reload(bundle.path, rows, arrays, predictions, tokens_of(features))
    assert parity.passed
    assert (parity.handoff, parity.rows, parity.agreement) == ("save and reload", len(rows), 1.0)
    assert parity.largest_gap <= 1e-6


def test_a_shrunk_model_is_asked_in_the_company_that_the_fresh_process_gives(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In int8 a batch has one scale: short rows, of which more than 32 fit, had other logits in another batch."""
    asked: list[list[int]] = []
    collate = Predictor.collate

    def noted(self: Predictor, features: Any) -> Any:
        asked.append([len(feature["input_ids"]) for feature in features])
        return collate(self, features)

    monkeypatch.setattr(Predictor, "collate", noted)
    some = [{"text": text} for text in ["good", "bad film"] * 40]
    Side("int8", bundle, bundle.predictor().runtime, 0).answers(some)
    before, asked = asked, []
    (tmp_path / ROWS).write_text(json.dumps(some), "utf-8")
    answer(bundle.path, tmp_path)
    assert before == asked and max(map(len, asked)) > 32


def test_other_weights_are_found_out(bundle: Bundle, rows: list[dict[str, Any]]) -> None:
    predictor = bundle.predictor()
    features, arrays = predictor.outputs(rows)
    shifted = [array + np.float32(0.25) for array in arrays]
    with pytest.raises(BundleError, match=r"largest gap of a logit is 0\.25 \(allowed: 0\.0001\)"):
        prove_reload(bundle.path, rows, shifted, bundle.task.decode(arrays, features))
    tokens = tokens_of(features)
    tokens[0] += 1
    with pytest.raises(BundleError, match="tokenizer does not cut"):
        prove_reload(bundle.path, rows, arrays, bundle.task.decode(arrays, features), tokens)


def test_the_childs_error_is_shown(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(BundleError, match=r"could not reload the bundle.*model\.safetensors has 3 bytes"):
        reload_in_fresh_process(folder, rows)


def test_time_out(folder: Path, rows: list[dict[str, Any]]) -> None:
    with pytest.raises(BundleError, match=r"over 0\.01 s"):
        reload_in_fresh_process(folder, rows, timeout=0.01)


def test_compare_counts_rows_and_gaps() -> None:
    before = [np.array([1.0, 2.0]), np.array([3.0, 0.0])]
    after = [np.array([1.0, 2.05]), np.array([3.0, 0.0])]
    answers = [{"label": "a", "score": 0.70}, {"label": "b", "score": 0.6}]
    other = [{"label": "a", "score": 0.71}, {"label": "a", "score": 0.6}]
    parity = compare("int8", before, after, answers, other, tolerance=0.1)
    assert parity.largest_gap == pytest.approx(0.05)
    assert (parity.agreement, parity.passed) == (0.5, False)
    assert compare("int8", before, after, answers, other, tolerance=0.1, least_agreement=0.5).passed
    assert not compare("int8", before, after, answers, answers, tolerance=0.01).passed


@pytest.mark.parametrize(
    "after",
    [
        [np.array([1.0, np.nan])],
        [np.array([1.0])],
        [],
        [np.array([1.0, 2.0]), np.array([1.0])],
    ],
)
def test_what_cannot_be_compared_does_not_pass(after: list[np.ndarray]) -> None:
    parity = compare("merge", [np.array([1.0, 2.0])], after, [{"label": "a"}], [{"label": "a"}], tolerance=10)
    assert (parity.largest_gap, parity.passed) == (math.inf, False)


def test_nan_before_and_after_is_no_parity() -> None:
    nan = [np.array([np.nan, 1.0]), np.array([0.0, 0.0])]
    assert not compare("merge", nan, nan, [], []).passed
    assert not compare("merge", nan[::-1], nan[::-1], [], []).passed


def test_fewer_predictions_do_not_agree() -> None:
    parity = compare("merge", [], [], [{"label": "a"}, {"label": "b"}], [{"label": "a"}])
    assert (parity.rows, parity.agreement, parity.passed) == (2, 0.5, False)


def test_same() -> None:
    one = {"spans": [{"text": "北京", "start": 0, "score": 0.9}], "ok": True}
    assert same(one, {"spans": [{"text": "北京", "start": 0, "score": 0.9 + 1e-9}], "ok": True}, 1e-6)
    assert not same(one, {"spans": [{"text": "北京", "start": 1, "score": 0.9}], "ok": True}, 1e-6)
    assert not same({"a": 1}, {"b": 1}, 1)
    assert not same([1], [1, 2], 1)
    assert not same(0.5, None, 1)


def test_the_child_asks_no_hub() -> None:
    assert offline_environment()["HF_HUB_OFFLINE"] == "1"

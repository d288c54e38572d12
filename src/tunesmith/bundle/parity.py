"""Prove a hand-off: the same rows, before and after, the latter answered from the bundle by a fresh process.

Rows and answers pass through a folder: ``rows.json``; ``arrays.npz``, ``tokens.npy`` and ``predictions.json``. No
pickle is written or read.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.bundle.fresh import Fresh
from tunesmith.bundle.read import read_bundle
from tunesmith.bundle.rows import inputs_only
from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import Feature, Prediction, Row
from tunesmith.core.errors import BundleError, TunesmithError
from tunesmith.tasks.calibrated.calibrated import FIELDS as CALIBRATED_FIELDS

ROWS, ARRAYS, PREDICTIONS, TOKENS = "rows.json", "arrays.npz", "predictions.json", "tokens.npy"
FRESH = Fresh(__name__, imports=("torch", "transformers.modeling_utils", "tunesmith.models.heads"))
RELOAD = "save and reload"
TOLERANCE = 1e-4
"""Of a logit, in fp32 on one machine: above the noise of another batch shape, far below any wrong weight."""
LARGE = 10.0
"""Magnitude from which on the tolerance grows with a number: float32 has seven digits, wherever the point is."""


def compare(
    handoff: str,
    before_arrays: Sequence[np.ndarray],
    after_arrays: Sequence[np.ndarray],
    before_predictions: Sequence[Prediction],
    after_predictions: Sequence[Prediction],
    tolerance: float = TOLERANCE,
    least_agreement: float = 1.0,
) -> Parity:
    """How far the answers after a hand-off are from those before.

    Args:
        handoff: its name, "save and reload", "merge", "int8".
        before_arrays: one array a feature, of any shape.
        after_arrays: the same features, after.
        before_predictions: one a row.
        after_predictions: the same rows, after.
        tolerance: largest gap allowed, of any number in the arrays or the predictions.
        least_agreement: share of rows whose prediction must be the same.
    """
    gap = largest_gap(before_arrays, after_arrays)
    rows = max(len(before_predictions), len(after_predictions))
    pairs = zip(before_predictions, after_predictions, strict=False)
    agreement = sum(same(one, other, tolerance) for one, other in pairs) / rows if rows else 1.0
    return Parity(handoff, rows, gap, agreement, tolerance, gap <= tolerance and agreement >= least_agreement)


def largest_gap(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> float:
    """Largest difference of any two numbers; infinite where shapes differ or a number is not finite.

    Up to a magnitude of ``LARGE`` it is the absolute one; above, as in a regression of prices, it shrinks with it.
    """
    if len(before) != len(after) or any(np.shape(b) != np.shape(a) for b, a in zip(before, after, strict=True)):
        return math.inf
    gaps = (_gap(np.asarray(b, np.float64), np.asarray(a, np.float64)) for b, a in zip(before, after, strict=True))
    largest = max((float(gap.max()) for gap in gaps if gap.size), default=0.0, key=_nan_as_inf)
    return _nan_as_inf(largest)


def same(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two predictions are the same, numbers in them up to ``tolerance``."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key], tolerance) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) or isinstance(other, float):
        return isinstance(one, int | float) and isinstance(other, int | float) and bool(_gap(one, other) <= tolerance)
    return bool(one == other)


def same_answer(one: Any, other: Any) -> bool:
    """Whether two predictions say the same: labels, spans and texts; scores and other fractions may differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = (one.keys() | other.keys()) - {"scores"} - CALIBRATED_FIELDS
        return all(same_answer(one.get(key), other.get(key)) for key in keys)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_answer, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return True
    return bool(one == other)


def _gap(one: Any, other: Any) -> Any:
    return np.abs(np.subtract(one, other)) / np.maximum(1, np.abs(one) / LARGE)


def prove_reload(
    path: str | Path,
    rows: Sequence[Row],
    arrays: Sequence[np.ndarray],
    predictions: Sequence[Prediction],
    tokens: np.ndarray | None = None,
    *,
    tolerance: float = TOLERANCE,
    timeout: float = 600,
) -> Parity:
    """Reload the bundle in a fresh process and compare its answers with those of the model that was saved.

    ``arrays`` and ``predictions`` are to be computed in fp32, with ``Predictor`` over the model that was saved.

    Args:
        tokens: ``tokens_of`` the features; None: not compared. A small model's answers may not show that its tokenizer
            cuts otherwise than before.

    Raises:
        BundleError: the bundle does not reload, or answers otherwise.
    """
    again, predictions_again, tokens_again = reload_in_fresh_process(path, rows, timeout=timeout)
    if tokens is not None and not np.array_equal(tokens, tokens_again):
        raise BundleError(
            f"The saved tokenizer does not cut {len(rows)} rows as it did before.",
            "The bundle does not ship. Please report this, with the model's name.",
        )
    parity = compare(RELOAD, arrays, again, predictions, predictions_again, tolerance)
    if not parity.passed:
        raise BundleError(
            f"The saved model does not answer as it did before: over {parity.rows} rows the largest gap of a logit is "
            f"{parity.largest_gap:.3g} (allowed: {tolerance:g}), {parity.agreement or 0:.1%} of the predictions agree.",
            "The bundle does not ship. If the model computes in bf16, compare in fp32; else please report this.",
        )
    return parity


def reload_in_fresh_process(
    path: str | Path, rows: Sequence[Row], *, timeout: float = 600
) -> tuple[list[np.ndarray], list[Prediction], np.ndarray]:
    """Answers of a bundle and the tokens that it read: by another Python, with the folder alone and no network.

    Raises:
        BundleError: it failed or took more than ``timeout`` seconds; its own words are in the message.
    """
    with tempfile.TemporaryDirectory(prefix="tunesmith-") as folder:
        Path(folder, ROWS).write_text(json.dumps(list(map(dict, rows)), ensure_ascii=False), "utf-8")
        try:
            code, said = FRESH.run([str(Path(path).absolute()), folder], offline_environment(), timeout)
        except TimeoutError as error:
            raise BundleError(
                f"A fresh process took over {timeout:g} s to reload the bundle {path}.", "Is the machine overloaded?"
            ) from error
        if code:
            raise _failed(path, code, said)
        return _collected(Path(folder))


def offline_environment() -> dict[str, str]:
    """This process's environment, with every hub switched off."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return {**inherited, **offline, "PYTHONUTF8": "1", "TOKENIZERS_PARALLELISM": "false"}


def answer(path: Path, folder: Path) -> None:
    """What the fresh process does."""
    rows = json.loads((folder / ROWS).read_text("utf-8"))
    bundle = read_bundle(path)
    predictor = bundle.predictor(device="cpu")
    predictor.clean = None  # the rows are as they were computed before
    features, arrays = predictor.outputs(inputs_only(bundle.task, rows))
    np.savez(folder / ARRAYS, *arrays, allow_pickle=False)
    np.save(folder / TOKENS, tokens_of(features), allow_pickle=False)
    predictions = bundle.task.decode(arrays, features)
    (folder / PREDICTIONS).write_text(json.dumps(predictions, ensure_ascii=False), "utf-8")


def tokens_of(features: Sequence[Feature]) -> np.ndarray:
    """All token ids, one feature after the other: int64 [any]."""
    return np.concatenate([np.asarray(feature["input_ids"], dtype=np.int64) for feature in features])


def _collected(output: Path) -> tuple[list[np.ndarray], list[Prediction], np.ndarray]:
    with np.load(output / ARRAYS, allow_pickle=False) as stored:
        arrays = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    tokens = np.load(output / TOKENS, allow_pickle=False)
    return arrays, json.loads((output / PREDICTIONS).read_text("utf-8")), tokens


def _failed(path: str | Path, code: int, stderr: str) -> BundleError:
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    why = " ".join(lines[-2:]) if lines else "it said nothing"
    killed = f" (killed by signal {-code}; out of memory?)" if code < 0 else ""
    return BundleError(
        f"A fresh process could not reload the bundle {path}{killed}: {why}", "The bundle does not ship."
    )


def _nan_as_inf(value: float) -> float:
    return math.inf if math.isnan(value) else value


def main(words: Sequence[str]) -> int:
    """The program of the fresh process, given a bundle and a folder: 0, or 2 with the problem on stderr."""
    try:
        answer(Path(words[0]), Path(words[1]))
    except TunesmithError as error:
        print(error, file=sys.stderr)
        return 2
    return 0

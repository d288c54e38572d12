"""Sounds in a batch of predictions: as many as fit by their length, for they have no tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tunesmith import testing
from tunesmith.bundle.predictor import Predictor
from tunesmith.tasks import TASKS

pytest.importorskip("soundfile")


def test_sounds_are_grouped_by_their_length(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[list[int]] = []

    class Counts(type(TASKS.make("audio-classification"))):  # type: ignore[misc]
        def collate(self, features: Any, processor: Any) -> Any:
            sizes.append([feature["frames"] for feature in features])
            return {"rows": np.arange(len(features))}

        def infer(self, runtime: Any, batch: Any) -> Any:
            return list(batch["rows"])

    task = Counts()
    task.restore({"modalities": ["audio"], "labels": ["a", "b"]})
    rows = [{"audio": testing.tone_url(300, seconds)} for seconds in (0.5, 3.0, 0.5, 2.0, 0.5)]
    predictor = Predictor(task, None, None, max_length=8, batch_tokens=404)  # type: ignore[arg-type]
    predictor.infer(predictor.encode([*rows, {"audio": "/no/such.wav"}]))
    assert sizes == [[300], [200, 50], [50, 50, 0]]

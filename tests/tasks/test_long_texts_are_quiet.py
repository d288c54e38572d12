"""A long text becomes windows; the tokenizer must not warn of indexing errors that will not come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tunesmith import testing
from tunesmith.core.registry import family
from tunesmith.models.load import load_processor
from tunesmith.models.reference import resolve

LONG = "The room was clean. 房间很干净。" * 200
WARNED = "sequence-length-is-longer-than-the-specified-maximum"
ROWS: dict[str, list[dict[str, Any]]] = {
    "text-classification": [{"text": LONG, "label": "a"}, {"text": LONG + "!", "label": "b"}],
    "token-classification": [{"text": LONG, "spans": [{"start": 4, "end": 8, "label": "thing"}]}],
    "extractive-qa": [{"question": "What?", "context": LONG, "answers": [{"text": "room", "start": 4}]}],
}


@pytest.mark.parametrize("name", ROWS)
def test_no_warning(name: str, tmp_path: Path) -> None:
    processor = load_processor(resolve(str(testing.tiny_bert(tmp_path / "bert", texts=[LONG], max_length=64))))
    task = family("tasks").make(name)
    task.learn(ROWS[name])
    features = task.encode(ROWS[name], task.adapt(processor), max_length=32, targets=True)
    assert len(features) > 10 and WARNED not in processor.deprecation_warnings

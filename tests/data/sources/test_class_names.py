"""Numbers of classes come out as names wherever ``datasets`` keeps these."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from tunesmith.data.read import read
from tunesmith.data.schema import guess
from tunesmith.data.sources.class_names import classes_in, named

EMOTIONS, TAGS = ["joy", "anger", "fear"], ["O", "B-PER", "I-PER"]


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_lists_of_classes(tmp_path: Path, kind: str) -> None:
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(label(names=TAGS)),
            "emotions": datasets.Sequence(label(names=EMOTIONS)),
            "first": label(names=EMOTIONS),
        }
    )
    rows = [
        {"tokens": ["Ann", "Lee", "ran"], "ner_tags": [1, 2, 0], "emotions": [2, 0], "first": 2},
        {"tokens": ["So"], "ner_tags": [0], "emotions": [], "first": -1},
    ]
    data = datasets.Dataset.from_list(rows * 20, features=features)
    path = str(tmp_path / ("a.parquet" if kind == "parquet" else "set"))
    data.to_parquet(path) if kind == "parquet" else data.save_to_disk(path)
    found = read(path)
    assert found[0]["ner_tags"] == ["B-PER", "I-PER", "O"]
    assert (found[0]["emotions"], found[0]["first"]) == (["fear", "joy"], "fear")
    assert (found[1]["emotions"], found[1]["first"]) == ([], None)
    assert guess(found).columns == {"tokens": "tokens", "tags": "ner_tags"}


def test_nothing_told_and_parts_of_lists() -> None:
    assert classes_in(pa.schema([])) == {}
    assert classes_in(pa.schema([], metadata={"huggingface": "[]"})) == {}
    lists = pa.array([[0], None, [1, 9], [2, None], []])
    batch = pa.RecordBatch.from_arrays([lists.slice(1), lists.slice(1)], names=["a", "b"])
    made = named(batch, {"a": EMOTIONS}).to_pydict()
    assert made == {"a": [None, ["anger", None], ["fear", None], []], "b": [None, [1, 9], [2, None], []]}

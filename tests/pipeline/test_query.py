"""``query`` over bundles of several tasks."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_files import write_csv

from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.questions import columns_of, from_rows
from tunesmith.bundle.read import Bundle
from tunesmith.cli import main
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.data.read import read
from tunesmith.pipeline.query import by_inputs, query
from tunesmith.search.active import CHOICES
from tunesmith.tasks.relation_extraction import RelationExtraction
from tunesmith.testing import toy_rows


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    rows = [{"id": str(i), "text": row["text"]} for i, row in enumerate(toy_rows("zh", 12, 5) + toy_rows("en", 12, 5))]
    return write_csv(tmp_path / "bare.csv", [*rows, {"id": "again", "text": rows[3]["text"]}, {"id": "no", "text": ""}])


def test_every_choice_on_a_classifier(
    tuned: Callable[..., Bundle], files: dict[str, Path], bare: Path, tmp_path: Path
) -> None:
    bundle = tuned(files["zh"])
    for by in CHOICES:
        found = query(bundle.path, str(bare), by=by, count=5)
        assert len({p.question.given["id"] for p in found.picked}) == 5
        assert found.rows == 26 and [q.given["id"] for q in found.unread] == ["no"]
        assert all(p.suggestion in bundle.task.labels for p in found.picked)
    everything = query(bundle.path, str(bare), by="margin", count=100)
    order = [p.uncertainty for p in everything.picked]
    assert len(order) == 24, "equal texts once, and none without a text"
    assert order == sorted(order, reverse=True)  # type: ignore[type-var]
    scores = bundle.predict([p.question.given["text"] for p in everything.picked])
    assert order[0] == pytest.approx(1 - abs(2 * scores[0]["score"] - 1), abs=1e-5)
    known = write_csv(tmp_path / "known.csv", toy_rows("zh", 12, 5))
    left = query(bundle.path, str(bare), by="both", count=100, known=str(known))
    assert len(left.picked) == 12
    with pytest.raises(DataError, match="no row to choose"):
        query(bundle.path, str(known), known=str(known))
    with pytest.raises(RecipeError, match="margin"):
        query(bundle.path, str(bare), by="margins")


def test_the_verb_writes_rows_to_be_labelled(
    tuned: Callable[..., Bundle], files: dict[str, Path], bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = tuned(files["en"]), tmp_path / "next.csv"
    assert main(["query", str(bundle.path), str(bare), "--count", "3", "--by", "both", "-o", str(out)]) == 0
    shown = capsys.readouterr()
    assert "3 of 26 rows" in shown.out and "1 of 26 rows cannot be read" in shown.err
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "text", "suggestion", "uncertainty"] and len(rows) == 3
    assert main(["query", str(bundle.path), str(bare), "--count", "3", "--by", "both"]) == 2, "no place for the rows"


def test_tokens_labels_numbers(
    tuned: Callable[..., Bundle], rows: dict[str, list[dict[str, Any]]], tmp_path: Path, bare: Path
) -> None:
    tags = tmp_path / "tags.conll"
    tags.write_text(
        "".join(f"{['Ann', 'Bob', 'Eve'][i % 3]}{i} B-PER\nsleeps O\nhere O\n\n" for i in range(40)), "utf-8"
    )
    names = tuned(tags, name="names")
    assert names.task.name == "token-classification"
    for by in ("entropy", "diversity", "both"):
        assert len(query(names.path, str(bare), by=by, count=4).picked) == 4
    with pytest.raises(RecipeError, match="badge needs the same decisions"):
        query(names.path, str(bare), by="badge")
    many = [{"text": row["text"], "labels": "x|y" if i % 3 else "x"} for i, row in enumerate(rows["en"])]
    several = tuned(write_csv(tmp_path / "many.csv", many), "task=multi-label-classification", name="several")
    found = query(several.path, str(bare), by="badge", count=4)
    assert all(0 <= p.uncertainty <= 1 for p in found.picked)  # type: ignore[operator]
    values = [{"text": row["text"], "score": str(i / 7)} for i, row in enumerate(rows["en"])]
    numbers = tuned(write_csv(tmp_path / "n.csv", values), "task=text-regression", "data.label=score", name="numbers")
    assert query(numbers.path, str(bare), by="diversity", count=2).picked[0].uncertainty is None
    asked: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        real = Predictor.outputs
        patch.setattr(Predictor, "outputs", lambda self, rows: (asked.append(len(rows)), real(self, rows))[1])
        with pytest.raises(RecipeError, match="no probabilities"):
            query(numbers.path, str(bare), by="badge")
    assert asked == [1], "refused before all are answered"
    with pytest.raises(RecipeError, match="no probabilities"):
        query(numbers.path, str(bare), by="margin")


def test_a_row_is_the_same_with_its_label_and_without(tmp_path: Path) -> None:
    task = RelationExtraction()
    pairs = [{"text": f"Ann{i} met Bob{i} there.", "head": f"Ann{i}", "tail": f"Bob{i}"} for i in range(6)]
    pool = write_csv(tmp_path / "pool.csv", pairs)
    known = write_csv(tmp_path / "known.csv", [{**row, "label": "meets"} for row in pairs[:4]])
    sides = [read(str(file)) for file in (pool, known)]
    asked, labelled = (
        by_inputs(task, list(from_rows(task, rows, columns_of(task, rows, {}, {"text": "text"})))) for rows in sides
    )
    assert len(asked) == 6 and len(labelled) == 4 and set(labelled) < set(asked)

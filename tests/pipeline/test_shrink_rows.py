"""What rows are held to when a model is shrunk, with sides that are arrays: numbers, decisions, limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tunesmith.bundle.card import _proof as on_the_card
from tunesmith.cli.shrink import _proof as on_the_screen
from tunesmith.compression.pick import ROWS, Candidate, allowed, within, words
from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import Row, Task
from tunesmith.core.errors import RecipeError, TrainingError
from tunesmith.core.recipe import Recipe
from tunesmith.pipeline.shrink import _work_folder, shrink
from tunesmith.pipeline.shrink_files import refuse_formless
from tunesmith.pipeline.shrink_options import ShrinkOptions, refuse_unread
from tunesmith.pipeline.shrink_rows import OnRows, gap_of
from tunesmith.pipeline.shrink_sides import Answers
from tunesmith.tasks.entities_and_relations import EntitiesAndRelations
from tunesmith.tasks.prompted.likelihood import PromptedLikelihood
from tunesmith.tasks.recommendation import Recommendation
from tunesmith.tasks.text_regression import TextRegression

Arrays = Callable[[Sequence[Row], int], list[np.ndarray]]


class Told:
    """A side that says what it is told to.

    Args:
        arrays: of rows, and how many are asked at once.
    """

    def __init__(self, name: str, task: Task, arrays: Arrays, bundle: object) -> None:
        self.name, self.bundle, self.form = name, bundle, SimpleNamespace(exact=False)
        self._task, self._arrays = task, arrays

    def answers(self, rows: Sequence[Row], progress: Any = None, size: int = 64) -> Answers:
        arrays = self._arrays(rows, size)
        features = [{"row": i, "input_ids": [1]} for i in range(len(rows))]
        return Answers(arrays, self._task.decode(arrays, features), np.zeros(0), features)


def proven(task: Task, rows: list[Row], parent: Arrays, form: Arrays, **asked: Any) -> Parity:
    bundle = object()
    kind = object.__new__(OnRows)
    kind.plan = SimpleNamespace(task=task, progress=None)  # type: ignore[assignment]
    kind.asked, kind.test, kind._on_test = ShrinkOptions(**asked), rows, {}
    first = Told("torch", task, parent, bundle)
    kind._sources = [SimpleNamespace(side=first)]  # type: ignore[list-item]
    return kind.proven(Told("int8", task, form, bundle)).parity  # type: ignore[arg-type]


def numbers(rows: Sequence[Row], size: int) -> list[np.ndarray]:
    return [np.array([row["label"]], np.float32) for row in rows]


@pytest.fixture
def regression() -> TextRegression:
    task = TextRegression()
    task.restore({"mean": 0.0, "deviation": 1.0})
    return task


def test_numbers_are_held_by_their_gap_also_one_by_one(regression: TextRegression) -> None:
    """Two numbers are never "the same answer": all were, whatever they said."""
    rows: list[Row] = [{"text": "a", "label": float(i % 5)} for i in range(40)]

    def alone_otherwise(some: Sequence[Row], size: int) -> list[np.ndarray]:
        return [array + np.float32(3.0 * (size == 1) + 0.1) for array in numbers(some, size)]

    def near(some: Sequence[Row], size: int) -> list[np.ndarray]:
        return [array + np.float32(0.1) for array in numbers(some, size)]

    held = proven(regression, rows, numbers, near, max_loss=0.1)
    assert held.passed and (held.agreement, held.alone) == (None, None)
    refused = proven(regression, rows, numbers, alone_otherwise, max_loss=0.1)
    assert not refused.passed and refused.largest_gap == pytest.approx(3.1)
    told = {"parity": held.to_json(), "units": ROWS.to_json()}
    candidate = Candidate("int8", 0.9, 0.0, None, 0.1, 10, 1.0, 1.0)
    card = " ".join(on_the_card({"parity": [held.to_json()]}))
    for said in (on_the_screen(told), card, words(candidate, candidate, 1, "size")):
        assert "gap" in said and "are the same" not in said and "predictions the same" not in said, said


def answered(*arrays: np.ndarray) -> Answers:
    return Answers(list(arrays), [], np.zeros(0), [{"input_ids": [1, 2, 3]}] * len(arrays))


def test_what_follows_from_a_decision_has_no_gap() -> None:
    """Another pair of entities, or another item at the end of a pool, was a gap of infinity."""
    tokens = np.arange(12, dtype=np.float32).reshape(3, 4)
    one, other = np.concatenate([tokens, tokens[:1]]), tokens + np.float32(0.5)
    assert gap_of(EntitiesAndRelations(), answered(one), answered(other)) == pytest.approx(0.5)
    pools = [np.array([[3, 1.0, 0], [5, 2.0, 0], [90, 0.1, 1]]), np.array([[3, 1.25, 1], [5, 2.0, 0], [7, 0.1, 0]])]
    assert gap_of(Recommendation(), answered(pools[0]), answered(pools[1])) == pytest.approx(0.25)
    assert gap_of(TextRegression(), answered(tokens), answered(tokens[:2])) == float("inf")


def test_a_loss_that_is_just_the_allowed_one_is_allowed(regression: TextRegression) -> None:
    lost = 0.9 - 0.89  # which is more than 0.01 by a bit
    assert lost > 0.01 and within(lost, 0.01)
    assert not within(0.0101, 0.01) and not within(None, 1) and not within(float("nan"), 1)
    assert allowed([Candidate("int8", 0.89, lost, 1.0, 0.1, 10, 1.0, 1.0)], 0.01, "size")


def test_two_at_once_do_not_work_in_one_folder(tmp_path: Path) -> None:
    place = tmp_path / "shrunk"
    with _work_folder(place) as work:
        (work / "graph").mkdir()
        with pytest.raises(TrainingError, match="Another process is at this very run"), _work_folder(place):
            pytest.fail("both")
        assert (work / "graph").is_dir(), "the second leaves it alone"
    assert not work.exists()
    with pytest.raises(KeyError), _work_folder(place) as work:
        (work / "cut-1").mkdir()
        (work / "graph").mkdir()
        raise KeyError
    assert (work / "cut-1").is_dir() and not (work / "graph").exists()
    with _work_folder(place):
        pass
    assert not work.exists()


def test_what_has_no_form_is_refused_in_words() -> None:
    """A pretrained bundle, and one that compares how likely words are, ended in an error of ours."""
    task = object.__new__(PromptedLikelihood)
    for name, why in (("masked-lm", "was pretrained"), ("prompted-likelihood", "how likely words are")):
        parent: Any = SimpleNamespace(
            path="out/x", task=task, manifest=SimpleNamespace(task=SimpleNamespace(name=name))
        )
        with pytest.raises(RecipeError, match=why):
            refuse_formless(parent)


def test_without_validation_rows_one_form_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    task: Any = object.__new__(TextRegression)
    runtime = SimpleNamespace(form="")
    parent: Any = SimpleNamespace(
        path="out/x", task=task, recipe=Recipe.parse({"data": "x.csv"}),
        manifest=SimpleNamespace(task=SimpleNamespace(name="text-regression"), runtime=runtime),
    )  # fmt: skip
    monkeypatch.setattr("tunesmith.pipeline.shrink.read_bundle", lambda path: parent)
    monkeypatch.setattr("tunesmith.pipeline.shrink.refuse_apart", lambda parent: None)
    monkeypatch.setattr(
        "tunesmith.pipeline.shrink.planned",
        lambda *given, **named: SimpleNamespace(data=SimpleNamespace(validation=[])),
    )
    with pytest.raises(RecipeError, match="there are none") as error:
        shrink("out/x")
    assert "--to int8" in str(error.value.hint)


def test_what_is_not_read_is_refused() -> None:
    read = ["bundle=out/a", "data.path=x.csv", "evaluation.gate.accuracy=> 0.9", "training.seed=3"]
    refuse_unread([*read, "training.trackers=[console]", "training.device=cpu"], cut=False)
    refuse_unread([*read, "training.epochs=2"], cut=True)
    for one in ("task.max_words=3", "model.max_length=64", "evaluation.resamples=100", "method=lora"):
        for cut in (False, True):
            with pytest.raises(RecipeError, match=f"does not read {one.partition('=')[0]}"):
                refuse_unread([*read, one], cut)
    with pytest.raises(RecipeError, match=r"does not read training.epochs without --cut"):
        shrink("out/there-is-none", ["training.epochs=2"])

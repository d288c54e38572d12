"""Windows of rows against a baseline: quiet while nothing changes, loud soon after something does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.bundle.drift.baseline import Baseline, baseline_of, read_baseline, write_baseline
from tunesmith.bundle.drift.cloud import cloud_of
from tunesmith.bundle.drift.compare import chi_squared_tail, of_numbers, of_words
from tunesmith.bundle.drift.facts import DIMENSIONS, NUMBERS, Facts, answered, facts, facts_of
from tunesmith.bundle.drift.window import Window

ENGLISH, CHINESE = "where is my parcel and when does it come", "我的包裹在哪里什么时候到"


def rows(count: int, seed: int, *, first: int = 0, text: str = ENGLISH, label: str = "a", sure: float = 0.9) -> Any:
    """Facts of texts whose words are drawn from common and rare ones."""
    draw = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        ids = first + np.minimum(draw.zipf(1.4, draw.integers(5, 30)), 800)
        answer = {"label": label if draw.random() < 0.7 else "b", "score": float(min(1, draw.normal(sure, 0.05)))}
        made.append(facts(text, [ids], answer, unknown=0))
    return made


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    made = baseline_of(rows(1000, 0), unknown=0)
    assert made is not None
    return made


def looked(baseline: Baseline, some: Sequence[Facts], **options: Any) -> list[tuple[int, tuple[str, ...]]]:
    return [(look.rows, look.moved) for look in Window(baseline, rows=300, step=50, **options).add(some)]


def test_nothing_is_said_of_rows_like_those_of_the_baseline(baseline: Baseline) -> None:
    looks = looked(baseline, rows(6000, 1))
    assert len(looks) == 115 and not any(moved for _, moved in looks)


def test_false_alarms_are_as_rare_as_was_asked_for() -> None:
    """Fresh baselines and windows: at a level of 5% about that many looks raise one, and not twice as many."""
    found = []
    for seed in range(30):
        baseline = baseline_of(rows(300, seed), unknown=0)
        assert baseline is not None
        window = Window(baseline, rows=100, step=100, level=0.05, effect=0.0)
        found += [bool(look.moved) for look in window.add(rows(100, 1000 + seed))]
    assert len(found) == 30 and np.mean(found) <= 0.1


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"first": 3000}, "embedding_"),
        ({"text": CHINESE}, "language"),
        ({"label": "c"}, "class"),
        ({"sure": 0.6}, "confidence"),
    ],
    ids=["words", "language", "class", "confidence"],
)
def test_what_has_changed_is_named_soon(baseline: Baseline, changed: dict[str, Any], named: str) -> None:
    looks = looked(baseline, [*rows(1000, 2), *rows(400, 3, **changed)])
    first = next(at for at, moved in looks if moved)
    assert 1000 < first <= 1250
    assert any(name.startswith(named) for name in looks[-1][1])


def test_a_small_move_in_every_direction_is_seen_by_the_cloud_alone() -> None:
    """Each number moves by a tenth of its spread, which no test of a single one may call a difference."""
    draw = np.random.default_rng(0)
    cloud = cloud_of(draw.normal(size=(1000, DIMENSIONS)))
    assert cloud is not None
    same, moved = draw.normal(size=(500, DIMENSIONS)), draw.normal(0.1, 1, (500, DIMENSIONS))
    each = [of_numbers(np.sort(draw.normal(size=1000)), column).size for column in moved.T]
    assert max(each) < 0.12 and cloud.compare(same).p > 1e-3
    found = cloud.compare(moved)
    assert found.p < 4e-6 and found.size == pytest.approx(0.158, abs=0.05)  # means 0.4 apart: the truth


def test_what_chance_does_to_a_cloud_is_drawn_from_its_own_rows() -> None:
    """Skewed numbers, rare ones among them, and few rows: the p-values of windows of one source are still right."""
    found = []
    for seed in range(40):
        draw = np.random.default_rng(seed)

        def points(rows: int, draw: Any = draw) -> Any:
            return np.hstack([draw.exponential(size=(rows, 5)), draw.random((rows, 1)) < 0.05])

        cloud = cloud_of(points(150))
        assert cloud is not None and cloud.chance[0] > len(cloud.whitening)
        found += [cloud.compare(points(rows)).p for rows in (50, 300) for _ in range(5)]
    assert np.mean(np.array(found) < 0.05) <= 0.1 and min(found) > 1e-5


def test_the_models_own_vectors_and_scores_are_points() -> None:
    many = {str(i): 1 / 77 for i in range(77)}
    assert len(answered({"scores": many})) == len(answered({"vector": [0.1] * 384})) == DIMENSIONS
    assert answered({"scores": {"b": 0.2, "a": 0.8}}) == pytest.approx(answered({"scores": {"a": 0.8, "b": 0.2}}))
    assert len(answered({"text": "written"})) == 0
    draw = np.random.default_rng(3)

    def scored(rows: int, first: float) -> list[Facts]:
        made = draw.dirichlet([first, 2.0, 2.0], rows)
        ids = [draw.integers(0, 500, 20) for _ in range(rows)]
        answers = [{"label": "a", "score": 0.9, "scores": dict(zip("abc", one.tolist(), strict=True))} for one in made]
        return [facts(ENGLISH, [own], answer, None) for own, answer in zip(ids, answers, strict=True)]

    baseline = baseline_of(scored(400, 2.0), None)
    assert baseline is not None
    (same,) = Window(baseline, rows=300, step=300).add(scored(300, 2.0))
    (moved,) = Window(baseline, rows=300, step=300).add(scored(300, 4.0))
    assert same.moved == () and moved.moved == ("outputs",)


def test_unknown_tokens_are_seen(baseline: Baseline) -> None:
    odd = [facts(ENGLISH, [np.zeros(12, int)], {"label": "a", "score": 0.9}, unknown=0) for _ in range(300)]
    assert "unknown" in looked(baseline, odd)[-1][1]


def test_a_baseline_comes_back_from_its_file(baseline: Baseline, tmp_path: Path) -> None:
    assert read_baseline(tmp_path) is None
    write_baseline(tmp_path, baseline)
    again = read_baseline(tmp_path)
    assert again is not None and again.names == baseline.names == (*NUMBERS, "language", "class", "inputs")
    for name, found in again.compare(rows(300, 5)).items():
        assert found.size == pytest.approx(baseline.compare(rows(300, 5))[name].size, abs=1e-9)
    assert ENGLISH not in (tmp_path / "baseline.json").read_text("utf-8")
    values = json.loads((tmp_path / "baseline.json").read_text("utf-8"))
    del values["clouds"]  # as it was in older bundles
    (tmp_path / "baseline.json").write_text(json.dumps(values), "utf-8")
    older = read_baseline(tmp_path)
    assert older is not None and older.names == (*NUMBERS, "language", "class")
    (tmp_path / "baseline.json").write_text(json.dumps({**values, "format": 99}), "utf-8")
    assert read_baseline(tmp_path) is None


def test_what_no_row_has_is_not_compared() -> None:
    plain = [facts(ENGLISH, [np.arange(i % 9 + 1)], {"text": "written"}, None) for i in range(60)]
    made = baseline_of(plain, None)
    assert made is not None and "confidence" not in made.names and "class" not in made.names
    assert baseline_of(plain[:49], None) is None


def test_rows_have_their_own_windows() -> None:
    features = [{"row": i, "input_ids": np.arange(n)} for i, n in ((0, 4), (0, 3), (1, 2))]
    two = list(facts_of([{"text": "好"}, {"text": "the one"}], features, [{"label": "a"}, {"label": "b"}], None))
    assert [one.numbers[0] for one in two] == [7, 2] and [one.words for one in two] == [("zh", "a"), ("en", "b")]


def test_tests_agree_with_those_of_scipy() -> None:
    from scipy.stats import chi2, ks_2samp

    draw = np.random.default_rng(0)
    for shift in (0.0, 0.1, 0.2, 0.5):
        one, other = np.sort(draw.normal(0, 1, 500)), draw.normal(shift, 1, 300)
        theirs = ks_2samp(one, other, method="asymp")
        ours = of_numbers(one, other)
        assert ours.size == pytest.approx(theirs.statistic, abs=1e-9)
        assert ours.p == pytest.approx(theirs.pvalue, rel=0.35, abs=0.02)
    for value, degrees in ((3.84, 1), (10, 4), (40, 12), (150, 76)):
        assert chi_squared_tail(value, degrees) == pytest.approx(chi2.sf(value, degrees), rel=0.3)
    assert of_words({}, {"a": 1}).p == 1.0 and of_numbers(np.array([]), np.array([1.0])).p == 1.0

"""Windows of rows against a baseline: quiet while nothing changes, loud soon after something does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunesmith.bundle.drift.baseline import Baseline, baseline_of, read_baseline, write_baseline
from tunesmith.bundle.drift.compare import chi_squared_tail, of_numbers, of_words
from tunesmith.bundle.drift.facts import NUMBERS, Facts, facts, facts_of
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
    for seed in range(60):
        baseline = baseline_of(rows(400, seed), unknown=0)
        assert baseline is not None
        window = Window(baseline, rows=200, step=200, level=0.05, effect=0.0)
        found += [bool(look.moved) for look in window.add(rows(200, 1000 + seed))]
    assert len(found) == 60 and np.mean(found) <= 0.1


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


def test_unknown_tokens_are_seen(baseline: Baseline) -> None:
    odd = [facts(ENGLISH, [np.zeros(12, int)], {"label": "a", "score": 0.9}, unknown=0) for _ in range(300)]
    assert "unknown" in looked(baseline, odd)[-1][1]


def test_a_baseline_comes_back_from_its_file(baseline: Baseline, tmp_path: Path) -> None:
    assert read_baseline(tmp_path) is None
    write_baseline(tmp_path, baseline)
    again = read_baseline(tmp_path)
    assert again is not None and again.names == baseline.names == (*NUMBERS, "language", "class")
    for name, found in again.compare(rows(300, 5)).items():
        assert found.size == pytest.approx(baseline.compare(rows(300, 5))[name].size, abs=1e-9)
    assert ENGLISH not in (tmp_path / "baseline.json").read_text("utf-8")
    values = json.loads((tmp_path / "baseline.json").read_text("utf-8"))
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

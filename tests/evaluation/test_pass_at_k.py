"""pass@k against its definition: the share of sets of k programs among the n drawn that hold one that passes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from tunesmith.core.errors import RecipeError
from tunesmith.evaluation.bootstrap import figures
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.metrics.pass_at_k import pass_at_k


def counted(n: int, c: int, k: int) -> float:
    sets = list(combinations([True] * c + [False] * (n - c), k))
    return sum(map(any, sets)) / len(sets)


@pytest.mark.parametrize("n", [1, 4, 7])
def test_every_set_of_k_programs_counts(n: int) -> None:
    for k in range(1, n + 1):
        passed = np.arange(n + 1)
        found = pass_at_k(np.full(n + 1, n), passed, np.full(n + 1, k))
        assert found == pytest.approx([counted(n, c, k) for c in passed.tolist()])


def test_many_programs_do_not_overflow() -> None:
    (found,) = pass_at_k(np.array([5000]), np.array([1]), np.array([100]))
    assert found == pytest.approx(0.02)


def test_figures_with_intervals() -> None:
    evidence = {
        "drawn": np.full(40, 10),
        "passed": np.array([0, 5, 10, 1] * 10),
        "k": np.full(40, 2),
        "parses": np.array([1.0, 0.5, 1.0, 0.5] * 10),
    }
    found = figures(evidence, ["pass_at_1", "pass_at_k", "parses"])
    assert found["pass_at_1"].value == pytest.approx(0.4) and found["parses"].value == pytest.approx(0.75)
    assert found["pass_at_k"].value == pytest.approx(np.mean([counted(10, c, 2) for c in (0, 5, 10, 1)]))
    assert all(figure.low < figure.value < figure.high for figure in found.values())
    with pytest.raises(RecipeError, match="drawn, passed"):
        figures({"parses": np.ones(3)}, ["pass_at_1"])
    assert np.isnan(METRICS.make("pass_at_k")({"parses": np.ones(3)}))

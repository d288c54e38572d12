"""The official score of SemEval-2010 Task 8, against a case worked out by its definition."""

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.evaluation.bootstrap import figures
from tunesmith.evaluation.metrics.relation_f1 import RelationMacroF1, RelationMicroF1
from tunesmith.tasks.relations import relation_types, type_counts

LABELS = ["Cause(e1,e2)", "Cause(e2,e1)", "Other", "Part(e1,e2)"]
TRUE = [0, 0, 1, 3, 3, 2, 2, 3, 3]
GIVEN = [0, 1, 1, 2, 3, 0, 2, 0, 3]


def evidence(none: str | None = "Other", true: list[int] = TRUE, given: list[int] = GIVEN) -> dict[str, np.ndarray]:
    counts = type_counts(np.array(true), np.array(given), relation_types(LABELS, none))
    return {"relation_counts": counts}


def test_it_is_the_official_score() -> None:
    # Cause: 2 right, 3 true, 5 predicted (one in the wrong direction, one of Other, one of Part): F1 = 4 / 8.
    # Part: 2 right, 4 true, 2 predicted: F1 = 4 / 6. Other is left out.
    assert RelationMacroF1()(evidence()) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert RelationMicroF1()(evidence()) == pytest.approx(2 * 4 / (7 + 7))


def test_without_directions_it_is_plain_f1() -> None:
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(3)
    true, given = generator.integers(0, 4, 200), generator.integers(0, 4, 200)
    plain = type_counts(true, given, relation_types(["a", "b", "c", "none"], "none"))
    wanted = {kind: f1_score(true, given, labels=[0, 1, 2], average=kind) for kind in ("macro", "micro")}
    assert RelationMacroF1()({"relation_counts": plain}) == pytest.approx(wanted["macro"])
    assert RelationMicroF1()({"relation_counts": plain}) == pytest.approx(wanted["micro"])


def test_directions_need_not_both_be_there() -> None:
    assert relation_types(["A (e2, e1)", "B(e1,e2)", "被收购"], None) == [0, 1, 2]
    assert relation_types(["Other"], "Other") == [-1]
    assert type_counts(np.array([0]), np.array([0]), [-1]).shape == (1, 0)


def test_it_has_an_interval() -> None:
    many = evidence(true=TRUE * 20, given=GIVEN * 20)
    found = figures(many, ["relation_macro_f1"], resamples=200, seed=1)["relation_macro_f1"]
    assert 0.4 < found.low < found.value < found.high < 0.75

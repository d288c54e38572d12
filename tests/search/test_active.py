"""Which rows are wanted next, on figures that can be worked out by hand."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tunesmith.search.active import (
    CHOICES,
    MEASURES,
    Pool,
    badge,
    choose,
    entropy,
    k_center,
    least_confidence,
    margin,
    uncertainties,
)

P = np.array([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]])


def test_measures_are_their_formulas() -> None:
    np.testing.assert_allclose(least_confidence(P), [0.5, 0.6, 0.0])
    np.testing.assert_allclose(margin(P), [1.0, 0.9, 0.0])
    np.testing.assert_allclose(entropy(P), [np.log(2), -(0.4 * np.log(0.4) + 0.6 * np.log(0.3)), 0.0], atol=1e-9)


def test_a_rows_uncertainty_is_the_mean_over_its_decisions() -> None:
    rows = [P[:2], P[2:], np.zeros((0, 3))]
    np.testing.assert_allclose(uncertainties(rows, "margin"), [0.95, 0.0, 0.0])


def test_measures_disagree_where_they_should() -> None:
    rows = [p[None] for p in P]
    assert choose(Pool(rows), "uncertainty", 1) == [1] and choose(Pool(rows), "margin", 1) == [0]
    assert choose(Pool(rows), "entropy", 2) == [1, 0]


def test_k_center_goes_to_the_far_corners() -> None:
    corners = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], dtype=float)
    cloud = np.random.default_rng(0).normal(size=(50, 2)) * 0.1 + 5
    vectors = np.concatenate([cloud, corners])
    found = k_center(vectors, 5)
    assert found[0] < 50 and sorted(found[1:]) == [50, 51, 52, 53]
    assert k_center(vectors, 3, known=corners[:1])[0] == 53, "farthest from what is known"
    assert sorted(k_center(vectors, 100)) == list(range(54))


def test_many_known_rows_take_no_room() -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 4))
    tracemalloc.start()
    try:
        chosen = k_center(vectors, 3, np.zeros((20_000, 4)))
        assert len(set(chosen)) == 3 and tracemalloc.get_traced_memory()[1] < 2e6, "all distances would be 80 MB"
    finally:
        tracemalloc.stop()


def test_k_center_never_takes_a_row_twice_where_all_are_equal() -> None:
    assert sorted(k_center(np.ones((5, 2)), 5)) == [0, 1, 2, 3, 4]


def test_badge_is_k_means_plus_plus_on_written_out_gradients() -> None:
    random = np.random.default_rng(1)
    p = random.dirichlet(np.ones(3), size=30)
    vectors = random.normal(size=(30, 4))
    found = badge([row[None] for row in p], vectors, 6, seed=3)
    error = p - np.eye(3)[p.argmax(1)]
    gradients = (error[:, :, None] * vectors[:, None]).reshape(30, -1)
    assert found[0] == int((gradients**2).sum(1).argmax()) and len(set(found)) == 6
    draw = np.random.default_rng(3)
    again = found[:1]
    while len(again) < 6:
        far = ((gradients[:, None] - gradients[again][None]) ** 2).sum(-1).min(1)
        far[again] = 0.0
        again.append(int(draw.choice(30, p=far / far.sum())))
    assert again == found


def test_badge_fills_up_where_the_model_is_sure_of_all() -> None:
    sure = [np.array([[1.0, 0.0]])] * 5
    assert sorted(badge(sure, np.ones((5, 2)), 5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("by", CHOICES)
def test_every_choice_gives_as_many_rows_as_asked_each_once(by: str) -> None:
    random = np.random.default_rng(2)
    pool = Pool([row[None] for row in random.dirichlet(np.ones(4), size=40)], random.normal(size=(40, 3)))
    for count in (1, 7, 40):
        found = choose(pool, by, count)
        assert len(found) == count == len(set(found)) and found == choose(pool, by, count)


def test_both_takes_varied_rows_of_the_unsure_ones() -> None:
    p = np.tile([[1.0, 0.0]], (100, 1))
    p[:20] = 0.5
    vectors = np.random.default_rng(0).normal(size=(100, 2))
    found = choose(Pool([row[None] for row in p], vectors), "both", 2)
    assert all(i < 20 for i in found) and set(MEASURES) < set(CHOICES)

from __future__ import annotations

import numpy as np
import pytest

from tunesmith.objectives.deletion import deleted
from tunesmith.objectives.denoising import infilled, noise_spans, span_corrupted
from tunesmith.objectives.masking import IGNORED, chosen, masked, units


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("ratio", [0.15, 0.4])
@pytest.mark.parametrize("spans", [False, True])
def test_the_share_that_is_hidden_is_the_one_asked_for(ratio: float, spans: bool) -> None:
    starts = rng(1).random(240) < 0.7
    opened = np.ones(240, dtype=bool)
    opened[[0, 100, 239]] = False
    hidden = [sum(map(len, chosen(units(starts, opened), ratio, spans, rng(i)))) / 237 for i in range(200)]
    assert abs(np.mean(hidden) - ratio) < 0.02


def test_words_are_hidden_whole_and_special_places_never() -> None:
    starts = np.array([1, 1, 0, 0, 1, 1, 0, 1], dtype=bool)
    opened = np.array([0, 1, 1, 1, 1, 1, 1, 0], dtype=bool)
    runs = units(starts, opened)
    assert [run.tolist() for run in runs] == [[1, 2, 3], [4], [5, 6]]
    for seed in range(20):
        picked = chosen(runs, 0.4, False, rng(seed))
        assert all(any(np.array_equal(p, run) for run in runs) for p in picked)


def test_a_hidden_place_has_its_token_as_label() -> None:
    ids = np.arange(10, 110)
    runs = [np.array([i]) for i in range(100)]
    seen, labels = masked(ids, runs, mask=3, words=np.array([7]), draw=rng(2))
    assert np.array_equal(labels, ids)
    shares = [(seen == 3).mean(), (seen == 7).mean(), (seen == ids).mean()]
    assert np.allclose(shares, [0.8, 0.1, 0.1], atol=0.1)
    nothing, none = masked(ids, [], mask=3, words=ids, draw=rng())
    assert np.array_equal(nothing, ids) and (none == IGNORED).all()


def test_spans_are_long_and_words_short() -> None:
    runs = [np.array([i]) for i in range(400)]
    sizes = [len(run) for seed in range(30) for run in chosen(runs, 0.15, True, rng(seed))]
    assert 2.8 < np.mean(sizes) < 4.8 and max(sizes) <= 10


def test_a_corrupted_text_can_be_put_together_again() -> None:
    ids, marks = np.arange(100, 160), list(range(10))
    for seed in range(10):
        read, written = span_corrupted(ids, marks, 0.3, 3.0, rng(seed))
        spans: dict[int, list[int]] = {}
        for token in written.tolist():
            if token in marks:
                last = spans.setdefault(token, [])
            else:
                last.append(token)
        whole = [part for token in read.tolist() for part in spans.get(token, [token])]
        assert whole == ids.tolist()
        assert abs(noise_spans(60, 0.3, 3.0, rng(seed)).mean() - 0.3) < 0.02
    holes = infilled(ids, 5, 0.3, 3.0, rng())
    assert (holes == 5).any() and len(holes) < len(ids) + 5
    assert [t for t in holes.tolist() if t != 5] == [t for t in ids.tolist() if t in holes]


def test_what_is_deleted_is_asked_before_its_gap() -> None:
    ids = np.array([1, *range(10, 40), 2], dtype=np.int32)
    opened = np.array([False, *[True] * 30, False])
    feature = {"input_ids": ids, "open": opened, "pieces": [32], "draw": (1, 0, 0)}
    left, labels, pieces = deleted(feature, 0.3, nothing=2)
    gone = sorted(set(range(10, 40)) - set(left.tolist()))
    assert gone and pieces == [len(left)] and len(labels) == len(left)
    for place, label in enumerate(labels.tolist()):
        if label not in (IGNORED, 2):
            before = 9 if left[place] == 1 else left[place]
            assert label == before + 1 and label in gone
    assert (labels == 2).sum() == ((labels != IGNORED) & (labels != 2)).sum()

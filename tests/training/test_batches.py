"""Batches of like lengths: each row once, little padding, a new order every epoch, and the same one again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.batches import LengthBatches, length_buckets

LENGTHS = np.random.default_rng(0).lognormal(3, 0.8, 2000).astype(int) + 1


@given(
    st.lists(st.integers(1, 512), max_size=200), st.integers(1, 33), st.integers(0, 2**31), st.integers(0, 50),
    st.integers(1, 60),
)  # fmt: skip
def test_every_row_once(lengths: list[int], size: int, seed: int, epoch: int, window: int) -> None:
    batches = length_buckets(lengths, size, seed=seed, epoch=epoch, window=window)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert sum(len(batch) != size for batch in batches) <= 1 and all(batches)
    assert batches == length_buckets(lengths, size, seed=seed, epoch=epoch, window=window)


def padded(batches: list[list[int]]) -> float:
    cells = sum(len(batch) * max(LENGTHS[batch]) for batch in batches)
    return float(cells / LENGTHS.sum() - 1)


def test_little_is_padding() -> None:
    order = np.random.default_rng(1).permutation(len(LENGTHS))
    random = [order[i : i + 16].tolist() for i in range(0, len(order), 16)]
    assert padded(random) > 0.5
    assert padded(length_buckets(LENGTHS.tolist(), 16, seed=1, epoch=0)) < 0.1


def test_every_epoch_has_its_own_order_and_neighbours() -> None:
    first, second = (length_buckets(LENGTHS.tolist(), 16, seed=1, epoch=epoch) for epoch in (0, 1))
    assert first != second
    assert {frozenset(batch) for batch in first} & {frozenset(batch) for batch in second} == set()
    means = np.array([LENGTHS[batch].mean() for batch in first])
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3, "short and long batches alternate"


def test_the_sampler_skips_once() -> None:
    sampler = LengthBatches(LENGTHS.tolist(), 16, seed=3)
    whole = list(sampler)
    assert len(whole) == len(sampler) == 125
    sampler.skip = 7
    assert list(sampler) == whole[7:] and list(sampler) == whole
    sampler.epoch = 1
    assert list(sampler) != whole

"""Batches of like lengths: little padding, and still a new order every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tunesmith.core.contracts import Feature


def length_buckets(
    lengths: Sequence[int], batch_size: int, *, seed: int, epoch: int, window: int = 50
) -> list[list[int]]:
    """The batches of one epoch, as indices: a pure function of its arguments, so that a resumed run finds its place.

    Rows are shuffled, cut into windows of ``window`` batches, sorted by length within each, and the batches
    shuffled again.

    Returns:
        Every index once; only one batch may be smaller than ``batch_size``.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    sizes = np.asarray(lengths)[order]
    span = batch_size * window
    for start in range(0, len(order), span):
        part = slice(start, start + span)
        order[part] = order[part][np.argsort(sizes[part], kind="stable")]
    batches = [order[i : i + batch_size].tolist() for i in range(0, len(order), batch_size)]
    return [batches[i] for i in random.permutation(len(batches))]


class LengthBatches:
    """A batch sampler for ``torch.utils.data.DataLoader`` over ``length_buckets``.

    Set ``epoch`` before iterating; ``skip`` leaves out the first batches of that one pass (to resume).
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.drop_last = False
        self.epoch = 0
        self.skip = 0

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        skip, self.skip = self.skip, 0
        yield from length_buckets(self.lengths, self.batch_size, seed=self.seed, epoch=self.epoch)[skip:]


class Listed(list[Feature]):
    """Features that are there, the same in each epoch."""

    epoch: int = 0

    @property
    def lengths(self) -> list[int]:
        """What each costs to train on."""
        return [feature.get("size", len(feature["input_ids"])) for feature in self]


class Drawn(Sequence[Feature]):
    """Features that are made when they are asked for, and drawn anew in each epoch: masks, noise, pairs.

    What a feature is must follow from ``epoch`` and its index alone, so that a resumed run sees the same ones.
    """

    epoch: int = 0
    """The loop's; it sets it."""
    lengths: Sequence[int] = ()
    """Of each feature: what batches of like lengths are made by."""
    owner: Sequence[str] = ()
    """Of each feature, where there are several: the part of a mixture that it is of."""
    left_out: int = 0
    """Tokens of the corpus that are in none of them."""
    left_out_why: str = ""
    """What these are, in words."""

    @property
    def tokens(self) -> int:
        """Of all features."""
        return int(sum(self.lengths))

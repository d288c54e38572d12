"""Which tokens are hidden, and what stands in their places."""

from __future__ import annotations

import numpy as np

IGNORED = -100
"""The label of a place that teaches nothing."""
SPAN = 0.2
"""Of the geometric distribution of a span's words (Joshi et al. 2020, 3.1): 3.8 on the mean when cut at ``LONGEST``."""
LONGEST = 10


def units(starts: np.ndarray, open_places: np.ndarray) -> list[np.ndarray]:
    """Runs of places that are hidden together or not at all.

    Args:
        starts: bool [length], whether a place starts a unit.
        open_places: bool [length], whether it may be hidden at all.

    >>> [run.tolist() for run in units(np.array([1, 1, 0, 1, 1], bool), np.array([0, 1, 1, 1, 0], bool))]
    [[1, 2], [3]]
    """
    places = np.flatnonzero(open_places)
    if not len(places):
        return []
    fresh = starts[places] | (np.diff(places, prepend=places[0] - 2) > 1)
    return np.split(places, np.flatnonzero(fresh)[1:])


def chosen(runs: list[np.ndarray], ratio: float, spans: bool, draw: np.random.Generator) -> list[np.ndarray]:
    """Some of the units, of about ``ratio`` of all places: what is hidden, as runs that are replaced alike.

    Args:
        spans: neighbouring units together, their number geometric (SpanBERT), else each by itself.
    """
    total = sum(map(len, runs))
    if not total:
        return []
    budget = max(1, int(total * ratio + draw.random()))  # so that short texts get their share on the mean
    if not spans:
        order = draw.permutation(len(runs))
        sizes = np.cumsum([len(runs[i]) for i in order])
        count = max(1, int(np.searchsorted(sizes, budget, side="right")))
        return [runs[i] for i in order[:count]]
    hidden = np.zeros(len(runs), dtype=bool)
    found: list[np.ndarray] = []
    taken = 0
    for _ in range(4 * len(runs)):
        if taken >= budget:
            break
        size = min(int(draw.geometric(SPAN)), LONGEST)
        start = int(draw.integers(len(runs)))
        some = range(start, min(start + size, len(runs)))
        if hidden[some.start : some.stop].any() or taken and taken + sum(len(runs[i]) for i in some) > 1.1 * budget:
            continue
        hidden[some.start : some.stop] = True
        found.append(np.concatenate([runs[i] for i in some]))
        taken += len(found[-1])
    return found


def masked(
    ids: np.ndarray,
    runs: list[np.ndarray],
    *,
    mask: int,
    words: np.ndarray,
    draw: np.random.Generator,
    kept: float = 0.1,
    random: float = 0.1,
) -> tuple[np.ndarray, np.ndarray]:
    """The ids with runs hidden, and the labels: what stood there (Devlin et al. 2019, 3.1).

    Args:
        ids: [length].
        runs: places, as ``chosen`` gives them; a run is hidden, replaced or kept as a whole.
        mask: the id that hides.
        words: ids that random tokens are drawn from.
        kept, random: shares of runs that stay, and that are replaced by random tokens.
    """
    seen, labels = ids.copy(), np.full(len(ids), IGNORED, dtype=np.int64)
    for run, fate in zip(runs, draw.random(len(runs)), strict=True):
        labels[run] = ids[run]
        if fate < random:
            seen[run] = words[draw.integers(len(words), size=len(run))]
        elif fate >= random + kept:
            seen[run] = mask
    return seen, labels

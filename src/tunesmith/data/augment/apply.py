"""Training rows, and some of them again, written otherwise."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tunesmith.core.contracts import Augmentation, Row

MARK = "augmented"
"""The key of an added row under which the augmentation's name stands."""


def augmented(rows: Sequence[Row], augmentations: Sequence[Augmentation], *, seed: int) -> tuple[list[Row], list[str]]:
    """The rows as they are, then those that each augmentation adds; an augmentation never sees another's rows.

    A row that cannot be changed adds none.

    Args:
        rows: with their text under ``text``; everything else of a row goes along as it is.
        seed: the same seed adds the same rows.

    Returns:
        the rows, and a note for each augmentation.
    """
    found, notes = list(rows), []
    for augmentation in augmentations:
        draw = random.Random(f"{seed}/{augmentation.name}")
        chosen = _chosen(len(rows), augmentation.share, draw)
        others = augmentation.rewrite_all([str(rows[i]["text"]) for i in chosen], draw)
        pairs = [(rows[i], other) for i, other in zip(chosen, others, strict=True)]
        added = [{**row, "text": o, MARK: augmentation.name} for row, o in pairs if o != row["text"] and o.strip()]
        found += added
        same = len(chosen) - len(added)
        left = f"; {same} had nothing to change" if same else ""
        notes.append(f"{len(added)} training rows added by {augmentation.name}{left}")
    return found, notes


def _chosen(count: int, share: float, draw: random.Random) -> list[int]:
    """Every row as often as the share has whole numbers, and the rest drawn."""
    whole, wanted = divmod(round(count * share), count) if count else (0, 0)
    return sorted([*range(count)] * whole + draw.sample(range(count), wanted))

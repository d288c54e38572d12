"""The ladder of candidates: the cheap answers first, each only if it fits into the time that is left; and the pick.

From the majority over TF-IDF, zero-shot, frozen embeddings, few-shot and LoRA to full tuning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """A rung.

    Args:
        key: its short name.
        title: as a sentence calls it.
        recipe: dotted settings that make it; None: it is no model that a bundle holds.
        strategy: one that must be registered for the rung to exist.
    """

    key: str
    title: str
    recipe: dict[str, Any] | None = None
    strategy: str = ""


LADDER: tuple[Candidate, ...] = (
    Candidate("baselines", "baselines without a model"),
    Candidate("zero_shot", "zero-shot: the label whose name is nearest to the text"),
    Candidate("head", "a head on frozen embeddings", {"method.name": "head"}),
    Candidate("few_shot", "few-shot: contrastive pairs, then a head", {"method.name": "full"}, "contrastive"),
    Candidate("lora", "LoRA", {"method.name": "lora"}),
    Candidate("full", "full fine-tuning", {"method.name": "full"}),
)
"""The cheapest first. "baselines" stands for those of the task."""


@dataclass
class Rung:
    """What became of a candidate."""

    key: str
    title: str
    recipe: dict[str, Any] | None = None
    predicted: float | None = None
    """Seconds that it was thought to take."""
    seconds: float | None = None
    """That it took, fit and predict."""
    value: float | None = None
    skipped: str = ""
    """Why it was not tried; empty where it was."""
    figures: dict[str, Any] = field(default_factory=dict)
    beside_best: str = ""
    """What it is, against the best: "best", "not distinguishable", "worse"."""


def too_dear(predicted: float, left: float) -> bool:
    """Whether a candidate would not fit into the seconds that are left."""
    return predicted > left


def cheapest(rungs: Sequence[Rung]) -> Rung | None:
    """The cheapest that is the best or not distinguishable from it; None where nothing was tried."""
    as_good = [rung for rung in rungs if rung.beside_best in ("best", "not distinguishable")]
    return min(as_good, key=lambda rung: rung.seconds or 0.0, default=None)


def to_tune(rungs: Sequence[Rung], higher_is_better: bool = True) -> Rung | None:
    """Of those that a bundle can hold: the cheapest as good as the best, else the best of them."""
    holdable = [rung for rung in rungs if rung.recipe is not None and rung.value is not None]
    found = cheapest(holdable)
    if found is not None or not holdable:
        return found
    sign = 1 if higher_is_better else -1
    return max(holdable, key=lambda rung: sign * float(rung.value or 0.0))

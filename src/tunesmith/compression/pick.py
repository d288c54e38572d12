"""Which candidate ships: the best by the target among those that lose no more than is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Target = Literal["latency", "throughput", "size"]
TARGETS: dict[str, tuple[str, str]] = {
    "latency": ("one", "the quickest for one {what} at a time"),
    "throughput": ("many", "the quickest for {many} {what}s at a time"),
    "size": ("bytes", "the smallest"),
}
"""Target -> the field that it makes small, and its words."""
NEAR = 1.03
"""Two that are this near to each other are alike; the truer one is taken."""


@dataclass(frozen=True)
class Units:
    """In which speed is told.

    Args:
        what: is computed: "row", "text".
        each: what the milliseconds are of, where not of all that is computed at once: " a token".
        many: of them at once.
        answers: what is compared with the parent's.
        relative: whether the loss is a share of the parent's metric, by which that rises.
    """

    what: str
    each: str
    many: int
    answers: str = "answers"
    relative: bool = False

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return dict(vars(self))


ROWS = Units("row", "", 32)


@dataclass
class Candidate:
    """A form of a model, measured beside its parent on the same rows."""

    name: str
    metric: float
    """The task's first metric on the rows that choose."""
    loss: float
    """What it lost against the parent, above 0 where it is worse."""
    agreement: float | None
    """Share of rows with the parent's answer; None where answers are numbers or vectors, which are never the same."""
    gap: float
    """The largest difference of any number of the outputs."""
    bytes: int
    """Of the files that the runtime reads."""
    one: float
    """Seconds for a batch of one row; of what writes, for a token of one text."""
    many: float
    """Seconds for a batch of 32 rows; of what writes, for a token where 8 texts are written at once."""
    cut: str = ""
    """What was cut off before."""
    test: dict[str, Any] | None = None
    """The same on the test rows, with an interval; told, never chosen by."""

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return dict(vars(self))


ROUNDING = 1e-9
"""A loss is a difference of two figures: 0.9 - 0.89 is above 0.01 by its last bits."""


def within(loss: float | None, most: float) -> bool:
    """Whether no more is lost than is allowed; what is not defined is too much."""
    return loss is not None and loss <= most + ROUNDING


def allowed(candidates: Sequence[Candidate], max_loss: float, target: Target) -> list[Candidate]:
    """Those that may ship, the best first.

    Args:
        max_loss: of the metric.
        target: what is to be small.
    """
    field_name = TARGETS[target][0]
    fit = sorted((c for c in candidates if within(c.loss, max_loss)), key=lambda c: getattr(c, field_name))
    if not fit:
        return []
    best = getattr(fit[0], field_name)
    near = sorted((c for c in fit if getattr(c, field_name) <= NEAR * best), key=_off)
    return [*near, *(c for c in fit if c not in near)]


def _off(one: Candidate) -> tuple[float, float]:
    """How far from its parent: less is truer."""
    return (one.gap if one.agreement is None else -one.agreement, one.loss)


def same_of(agreement: float | None, gap: float, answers: str) -> str:
    """How near answers are, in words.

    >>> same_of(0.98, 0.1, "answers"), same_of(None, 0.1, "answers")
    ('98.0% of the answers are the same', 'the largest gap of a number is 0.1')
    """
    if agreement is None:
        return f"the largest gap of a number is {gap:.3g}"
    return f"{agreement:.1%} of the {answers} are the same"


def words(picked: Candidate, parent: Candidate, max_loss: float, target: Target, units: Units = ROWS) -> str:
    """The pick and the reason, in a sentence or two."""
    faster = [parent.one / picked.one, parent.many / picked.many]
    best = TARGETS[target][1].format(**units.to_json())
    limit = (
        f"whose metric rises by at most {max_loss:.3g} of itself"
        if units.relative
        else f"that lose at most {max_loss:g}"
    )
    return (
        f"{picked.name} is {best} among those {limit}: "
        f"{faster[0]:.1f} and {faster[1]:.1f} times as fast as the parent for 1 and for {units.many} {units.what}s, "
        f"{picked.bytes / max(1, parent.bytes):.0%} of its size, "
        f"{same_of(picked.agreement, picked.gap, units.answers)}."
    )

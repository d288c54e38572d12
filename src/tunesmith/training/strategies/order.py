"""Which strategies wrap which, and which exclude each other: data, in one place."""

from __future__ import annotations

from collections.abc import Sequence

from tunesmith.core.contracts import Strategy
from tunesmith.core.errors import RecipeError

INNERMOST_FIRST: tuple[str, ...] = ("r_drop", "fgm")
"""Those named first stand closest to the model; those not named come last, in the recipe's order."""

CLASHES: dict[frozenset[str], str] = {}
"""Pairs that make no sense together -> the reason, in words."""


def ordered(strategies: Sequence[Strategy]) -> list[Strategy]:
    """The strategies, innermost first.

    Raises:
        RecipeError: one stands twice, or two exclude each other.
    """
    names = [strategy.name for strategy in strategies]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f'training.strategies names "{name}" twice.', "Name each strategy once.")
    for pair, reason in CLASHES.items():
        if pair <= set(names):
            raise RecipeError(f"The strategies {' and '.join(sorted(pair))} exclude each other: {reason}", "Drop one.")
    places = {name: i for i, name in enumerate(INNERMOST_FIRST)}
    return sorted(strategies, key=lambda strategy: places.get(strategy.name, len(places)))

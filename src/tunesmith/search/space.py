"""What a search may try: settings of a recipe, and for each of them a range or a list of values.

As a user writes it::

    training.learning_rate: [1e-5, 5e-4, log]     a range; log: each factor of ten is as likely
    training.epochs: [1, 4]                       two whole numbers: whole numbers between
    training.batch_size: [8, 16, 32]              a list of values
    task.class_weights: [none, balanced]          the same, with words
    training.warmup: {values: [0, 0.1]}           a list of two numbers, which else is a range
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from tunesmith.core.errors import RecipeError
from tunesmith.core.recipe import Recipe

FIXED = {
    "data": "the rows are read and divided once, so that all trials answer the same ones",
    "evaluation": "the figure that is searched by must stay the same",
    "bundle": "there is one bundle, that of the best trial",
    "search": "a search does not search itself",
    "training.seed": "choosing a seed is choosing luck",
    "training.trackers": "trials are followed by the search",
    "training.device": "it changes the cost, not the figure",
    "training.threads": "it changes the cost, not the figure",
    "training.checkpoint_seconds": "it changes nothing that is measured",
    "model.trust_remote_code": "that is yours to decide",
}
"""Settings that cannot be searched, and why."""

Value = int | float | str | bool | None


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; ``whole``: integers only; ``log``: each factor as likely."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def ends(self) -> tuple[Value, ...]:
        """Values that must be allowed for all others to be."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)

    def holds(self, value: Any) -> bool:
        """Whether a value lies in it."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high and (not self.whole or float(value).is_integer())

    def to_json(self) -> list[Any]:
        """As a user would write it."""
        return [*self.ends(), *(["log"] if self.log else [])]


@dataclass(frozen=True)
class Choice:
    """One of some values, in no order."""

    values: tuple[Value, ...]

    def ends(self) -> tuple[Value, ...]:
        """All of them."""
        return self.values

    def holds(self, value: Any) -> bool:
        """Whether it is one of them."""
        return value in self.values

    def to_json(self) -> dict[str, Any]:
        """As a user would write it."""
        return {"values": list(self.values)}


Dimension = Range | Choice
Space = dict[str, Dimension]


def parse_space(given: Mapping[str, Any]) -> Space:
    """Read a space; keys may be dotted or nested.

    >>> parse_space({"training": {"learning_rate": ["1e-5", 5e-4, "log"]}})
    {'training.learning_rate': Range(low=1e-05, high=0.0005, log=True, whole=False)}

    Raises:
        RecipeError: with every mistake.
    """
    space: Space = {}
    mistakes: list[str] = []
    for key, value in _flat(given):
        try:
            space[key] = _dimension(value)
        except ValueError as why:
            mistakes.append(f"search.space.{key}: {why}")
    _raise(mistakes)
    return space


def check_space(space: Space, recipe: Mapping[str, Any]) -> None:
    """Whether every value that may be tried is one that the recipe takes.

    Args:
        recipe: nested mappings; its method is the one that options are checked against.

    Raises:
        RecipeError: with every mistake: an unknown setting, a value that is not allowed, a setting that is fixed.
    """
    mistakes = [
        f"search.space.{key}: it cannot be searched: {why}."
        for key in space
        for fixed, why in FIXED.items()
        if key == fixed or key.startswith(f"{fixed}.")
    ]
    if not mistakes:
        methods = space["method.name"].ends() if "method.name" in space else (None,)
        others = {key: dimension for key, dimension in space.items() if key != "method.name"}
        for method, (key, dimension) in product(methods, others.items() or [("method.name", space.get("method.name"))]):
            mistakes += _refused(recipe, key, dimension, method)
    _raise(list(dict.fromkeys(mistakes)))


def with_values(recipe: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe's mapping with some settings, by dotted key, put in; the mapping given stays as it is."""
    merged: dict[str, Any] = dict(recipe)
    for key, value in values.items():
        *parents, last = key.split(".")
        block = merged
        for parent in parents:
            inner = block.get(parent)
            block[parent] = {"name": inner} if isinstance(inner, str) else dict(inner or {})
            block = block[parent]
        block[last] = value
    return merged


def _refused(recipe: Mapping[str, Any], key: str, dimension: Dimension | None, method: Value) -> list[str]:
    """The mistakes of a recipe with one of the setting's values in it."""
    chosen = {} if method is None else {"method.name": method}
    for end in dimension.ends() if dimension is not None and key != "method.name" else (method,):
        try:
            Recipe.parse(with_values(recipe, {**chosen, key: end}))
        except RecipeError as error:
            beside = f" (with method={method})" if method is not None and key != "method.name" else ""
            return [f"search.space.{key}{beside}: {mistake}" for mistake in error.mistakes]
    return []


def _flat(given: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in given.items():
        if isinstance(value, Mapping) and "values" not in value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _dimension(given: Any) -> Dimension:
    """Raises ValueError with what is wrong."""
    listed = isinstance(given, Mapping)
    raw = given["values"] if listed else given
    if not isinstance(raw, list | tuple) or (listed and len(given) > 1):
        raise ValueError(f"write [low, high], [low, high, log] or a list of values; got {given!r}.")
    values = [_number(value) for value in raw]
    if any(isinstance(value, list | tuple | Mapping) for value in values):
        raise ValueError(f"a value must be a number or a word; got {given!r}.")
    ends = not listed and len(values) in (2, 3) and all(_is_number(value) for value in values[:2])
    if ends and (len(values) == 2 or isinstance(values[2], str)):
        return _range(values)
    if len(set(map(repr, values))) < 2:
        raise ValueError(f"there is nothing to choose between in {given!r}.")
    return Choice(tuple(values))


def _range(values: list[Any]) -> Range:
    low, high, *how = values
    if how and how[0] not in ("log", "linear"):
        raise ValueError(f'the third word of a range is "log" or "linear"; got {how[0]!r}.')
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"a range goes from a lower number to a higher one; got {low} to {high}.")
    log = how == ["log"]
    if log and low <= 0:
        raise ValueError(f"a range with log must begin above 0; got {low}.")
    return Range(low, high, log, isinstance(low, int) and isinstance(high, int))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``1e-5`` as text."""
    if isinstance(value, str) and any(c.isdigit() for c in value):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _raise(mistakes: list[str]) -> None:
    if mistakes:
        text = " ".join(mistakes)
        hint = 'Write for example: search.space={"training.learning_rate": [1e-5, 5e-4, log]}'
        raise RecipeError(text, hint, mistakes)

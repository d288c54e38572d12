"""What a bundle's rows look like: measured at tune time on rows that it did not train on, kept in ``baseline.json``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.bundle.drift.cloud import Cloud, Points, cloud_of
from tunesmith.bundle.drift.compare import Difference, of_numbers, of_words
from tunesmith.bundle.drift.facts import CLOUDS, DIGITS, NUMBERS, WORDS, Facts

FILE = "baseline.json"
FORMAT = 1
LEAST = 50
"""Rows below which nothing can be compared with."""
POINTS = 401


@dataclass(frozen=True)
class Baseline:
    """Of many rows.

    Args:
        rows: that it was made of.
        unknown: the id of tokens that the tokenizer does not know.
        numbers: name -> evenly spaced quantiles, rising.
        words: name -> value -> rows.
        clouds: name -> where rows lie; older bundles have none.
    """

    rows: int
    unknown: int | None
    numbers: Mapping[str, NDArray[np.float64]]
    words: Mapping[str, Mapping[str, int]]
    clouds: Mapping[str, Cloud] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that is compared."""
        return (*self.numbers, *self.words, *self.clouds)

    def compare(self, some: Sequence[Facts]) -> dict[str, Difference]:
        """How rows differ from these, by name."""
        table = np.stack([one.numbers for one in some])
        found = {}
        for name, known in self.numbers.items():
            values = table[:, NUMBERS.index(name)]
            found[name] = of_numbers(known, values[np.isfinite(values)], self.rows)
        for name, counts in self.words.items():
            found[name] = of_words(counts, Counter(one.words[WORDS.index(name)] for one in some))
        for name, cloud in self.clouds.items():
            points = _points(some, name, len(cloud.mean))
            found[name] = cloud.compare(points) if len(points) else Difference(0.0, 1.0)
        return found

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        numbers = {name: [round(value, DIGITS) for value in known.tolist()] for name, known in self.numbers.items()}
        return {"format": FORMAT, "rows": self.rows, "unknown": self.unknown, "numbers": numbers,
                "words": {name: dict(counts) for name, counts in self.words.items()},
                "clouds": {name: cloud.to_json() for name, cloud in self.clouds.items()}}  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Baseline:
        """Take back what ``to_json`` gave."""
        numbers = {name: np.asarray(known, dtype=np.float64) for name, known in values["numbers"].items()}
        clouds = {name: Cloud.from_json(told) for name, told in values.get("clouds", {}).items()}
        return cls(values["rows"], values["unknown"], numbers, values["words"], clouds)


def baseline_of(some: Sequence[Facts], unknown: int | None) -> Baseline | None:
    """Of rows' facts; None where they are too few. What no row has is not compared."""
    if len(some) < LEAST:
        return None
    table = np.stack([one.numbers for one in some])
    at = np.linspace(0, 1, min(POINTS, len(some)))
    numbers = {
        name: np.asarray(np.quantile(column, at, method="inverted_cdf"), dtype=np.float64)
        for name, column in zip(NUMBERS, table.T, strict=True)
        if np.isfinite(column).all()
    }
    words = {name: Counter(one.words[i] for one in some) for i, name in enumerate(WORDS)}
    words = {name: counts for name, counts in words.items() if set(counts) != {""}}
    return Baseline(len(some), unknown, numbers, words, dict(_clouds(some)))


def _clouds(some: Sequence[Facts]) -> Iterator[tuple[str, Cloud]]:
    for i, name in enumerate(CLOUDS):
        points = _points(some, name, len(some[0].clouds[i]))
        made = cloud_of(points) if len(points) >= LEAST else None
        if made is not None:
            yield name, made


def _points(some: Sequence[Facts], name: str, dimensions: int) -> Points:
    """[rows, dimensions], of those that have as many."""
    each = (one.clouds[CLOUDS.index(name)] for one in some)
    return np.array([point for point in each if len(point) == dimensions > 0 and np.isfinite(point).all()])


def write_baseline(folder: Path, baseline: Baseline) -> None:
    """Into a bundle that is being made."""
    (folder / FILE).write_text(json.dumps(baseline.to_json(), ensure_ascii=False), "utf-8")


def read_baseline(folder: Path) -> Baseline | None:
    """A bundle's; None where it has none, as older ones, or of a newer format."""
    path = folder / FILE
    if not path.is_file():
        return None
    values = json.loads(path.read_text("utf-8"))
    return Baseline.from_json(values) if values.get("format") == FORMAT else None

"""Whether a bundle is measured on rows that it learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tunesmith.bundle.read import Bundle
from tunesmith.core.contracts import Row
from tunesmith.pipeline.known import known_by


def same_file(one: str, other: str) -> bool:
    """Whether two names are of one place; an empty one is of none."""
    return bool(one) and Path(one).absolute() == Path(other).absolute()


def learned(bundle: Bundle, rows: Sequence[Row]) -> np.ndarray:
    """Which rows a bundle, or one before it, was trained on, as far as it says; bool [rows]."""
    known = known_by(bundle)
    return np.zeros(len(rows), bool) if known is None else known.trained(rows)


def too_good(bundle: Bundle, file: str, rows: Sequence[Row]) -> list[str]:
    """A note where rows of a file are among those that a bundle was trained on, whatever the file is called.

    Of a bundle that does not say what it learned, a note where the file is the one that it was tuned on, by its path.
    """
    unseen = f"Those of rows that it did not learn are in {bundle.path / 'report.html'}."
    known = known_by(bundle)
    if known is not None:
        count = int(known.trained(rows).sum())
        told = f"{count:,} of the {len(rows):,} rows of {file} are among those that {bundle.path} was trained on"
        return [f"{told}: these figures are too good. {unseen}"] if count else []
    if not same_file((bundle.manifest.recipe.get("data") or {}).get("path") or "", file):
        return []
    return [f"{file} is the file that {bundle.path} was tuned on: these figures are too good. {unseen}"]


def unlearned(bundles: Sequence[Bundle], file: str, rows: list[Row]) -> tuple[list[Row], list[str]]:
    """The rows that no bundle was trained on, and what was left out, in words; all rows, where none would be left."""
    trained = np.any([learned(bundle, rows) for bundle in bundles], axis=0)
    if trained.all() or not trained.any():
        return rows, [note for bundle in bundles for note in too_good(bundle, file, rows)]
    left = [row for row, own in zip(rows, trained, strict=True) if not own]
    told = f"{int(trained.sum()):,} of the {len(rows):,} rows of {file} were trained on by one of both"
    return left, [f"{told}, and are left out."]

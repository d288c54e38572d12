"""What is measured of a bundle: all that it answers, or one part of a mixture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.core.contracts import Prediction, Row, Task
from tunesmith.core.errors import RecipeError, did_you_mean


@dataclass(frozen=True)
class Answering:
    """A task, what answers, and the columns that it was trained on (role -> column)."""

    path: Path
    task: Task
    columns: Mapping[str, str | list[str]]
    predictor: Callable[[], Any]
    """Loads what answers: it has ``predict(rows)``."""
    transcribe: Mapping[str, Any] | None = None
    """How the rows that it was trained on became texts."""


class OfPart:
    """A mixture's predictor as that of one of its parts: ``predict`` gives the part's own predictions."""

    def __init__(self, whole: Predictor, part: str) -> None:
        self.task: Task = whole.task.parts[part]  # type: ignore[attr-defined]
        self._whole, self._part = whole, part

    def predict(self, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None) -> list[Prediction]:
        """One prediction a row, in order."""
        answers = self._whole.predict([{**row, "part": self._part} for row in rows], progress)
        return [answer["answers"][self._part] for answer in answers]


def answering(bundle: Bundle, part: str | None) -> Answering:
    """What is measured.

    Args:
        part: of a mixture; None: the bundle as it is.

    Raises:
        RecipeError: the bundle is a mixture and no part of it is named, or it has none of this name.
    """
    data = bundle.manifest.recipe.get("data", {})
    parts = getattr(bundle.task, "parts", None)
    if parts is None:
        if part is not None:
            raise RecipeError(f'{bundle.path} has no part "{part}": it is no mixture.', "Leave out the part.")
        return Answering(bundle.path, bundle.task, data.get("columns", {}), bundle.predictor, data.get("transcribe"))
    names = ", ".join(parts)
    if part is None:
        raise RecipeError(
            f"{bundle.path} is a mixture of {names}: rows are measured for one of them.",
            f"Name it: task.part={next(iter(parts))} (of gate: --part {next(iter(parts))}).",
        )
    if part not in parts:
        raise RecipeError(f'{bundle.path} has no part "{part}"; it has {names}.', did_you_mean(part, parts))
    columns = data.get("parts", {}).get(part, {}).get("columns", {})
    return Answering(bundle.path, parts[part], columns, partial(_of_part, bundle, part))


def _of_part(bundle: Bundle, part: str) -> OfPart:
    return OfPart(bundle.predictor(), part)

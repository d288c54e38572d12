"""A judge that is a bundle: it writes a score, or is sure of a label, or gives a number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.bundle.read import read_bundle
from tunesmith.core.errors import RecipeError
from tunesmith.evaluation.judges.rubric import asked, score_in

NUMBER, LABEL, WORDS = "text-regression", "text-classification", "words"


class BundleJudge:
    """Scores answers by a bundle: its number, the probability of a label, or the score that it writes.

    A classifier or regressor of pairs reads question and answer, one of single texts the answer.

    Args:
        path: the bundle's folder.
        label: of a classifier, the one that good answers have.
        criterion: what is judged, in words, for a bundle that writes.

    Raises:
        BundleError: there is no bundle.
        RecipeError: its task cannot judge, or it has no such label.
    """

    def __init__(self, path: str, label: str = "", criterion: str = "") -> None:
        self._bundle = read_bundle(path)
        self.name = f"the bundle {Path(path).name}"
        self._criterion = criterion
        task = self._bundle.task
        self._roles = {column.role for column in task.columns}
        self._pairs = "text_pair" in self._bundle.manifest.recipe.get("data", {}).get("columns", {})
        self._kind = task.name if task.name in (NUMBER, LABEL) else WORDS
        self._label = self._known(label) if self._kind == LABEL else ""
        if self._kind == WORDS and "text" not in task.response_model().model_fields:
            raise RecipeError(
                f"A bundle of {task.name} cannot judge answers.",
                f"Give one of {LABEL}, {NUMBER}, or one that writes: dialogue.",
            )

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float | None]:
        """A score for each question and answer, None where the bundle tells none."""
        predictions = self._bundle.predict([self._row(*pair) for pair in pairs])
        return [self._score(prediction) for prediction in predictions]

    def _row(self, question: str, answer: str) -> dict[str, Any]:
        if self._kind != WORDS:
            return {"text": question, "text_pair": answer} if self._pairs else {"text": answer}
        text = asked(question, answer, self._criterion)
        return {"messages": [{"role": "user", "content": text}]} if "messages" in self._roles else {"text": text}

    def _score(self, prediction: dict[str, Any]) -> float | None:
        if self._kind == NUMBER:
            return float(prediction["value"])
        if self._kind == LABEL:
            return float(prediction["scores"][self._label])
        return score_in(prediction["text"])

    def _known(self, label: str) -> str:
        labels = list(getattr(self._bundle.task, "labels", []))
        if label not in labels:
            given = f'has no label "{label}"' if label else "is a classifier, and no label is said to be the good one"
            raise RecipeError(f"The judge, {self.name}, {given}.", f"label= one of: {', '.join(labels)}")
        return label

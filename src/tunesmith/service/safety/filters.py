"""A policy's filters, made ready: what they find in a text, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tunesmith.core.errors import RecipeError
from tunesmith.service.safety.normal import aligned, normal
from tunesmith.service.safety.policy import Filter
from tunesmith.service.safety.rules import Rules
from tunesmith.service.safety.words import Place, Words

Classify = Callable[[str, Sequence[str]], Sequence[Mapping[str, Any]]]
"""(name of a classifier, texts) -> predictions with ``label`` and ``score``, or with ``scores`` by label."""


class Finder(Protocol):
    """What a filter finds."""

    def find(self, texts: Sequence[str], until: float) -> list[list[Place]]:
        """Places of each text, as they are in the text that was given.

        Raises:
            TooSlow: it was not done by ``until`` (``time.perf_counter``).
        """
        ...

    def open_from(self, text: str, until: float) -> int:
        """From which character on, what follows a text may change what is found in it.

        Raises:
            TooSlow: as ``find``.
        """
        ...


def finder(spec: Filter, classify: Classify | None, folder: Path) -> Finder:
    """What a filter asks for.

    Args:
        spec: the filter.
        classify: asks a bundle; None where there is none to be asked.
        folder: relative to which files are named.

    Raises:
        RecipeError: a file cannot be read, a rule is wrong, no words are given, or nothing can classify.
    """
    if spec.rules is not None:
        return RuleFinder(Rules(spec.rules))
    if spec.classifier is not None:
        if classify is None:
            raise RecipeError(f'The filter "{spec.name}" asks a classifier, and there is none here.', "Leave it out.")
        return LabelFinder(classify, spec.classifier, spec.labels or (), spec.score)
    words = Words(spec.words if spec.words is not None else read_words(folder / (spec.file or "")))
    if not words.words:
        raise RecipeError(f'The filter "{spec.name}" has no words.', "Give some, or leave the filter out.")
    return WordFinder(words)


def read_words(path: Path) -> list[str]:
    """A word or phrase a line."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"The words of a filter cannot be read from {path}: {error}.", "A word a line, UTF-8."
        ) from error
    return [line for line in lines if line.strip() and not line.startswith("#")]


class WordFinder:
    """Words in any spelling."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def find(self, texts: Sequence[str], until: float) -> list[list[Place]]:
        """Places of words."""
        return [self._places(text) for text in texts]

    def open_from(self, text: str, until: float) -> int:
        """Where a word may have begun."""
        return _open_from(text, self._words.begun, fold=True)

    def _places(self, text: str) -> list[Place]:
        if not self._words.find(normal(text)):
            return []
        spelled = aligned(text)
        return [spelled.place(*place) for place in self._words.find(spelled.text)]


class RuleFinder:
    """Rules, tried on text by NFKC."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def find(self, texts: Sequence[str], until: float) -> list[list[Place]]:
        """Places that a rule matches."""
        return [self._places(text, until) for text in texts]

    def open_from(self, text: str, until: float) -> int:
        """Where a match may have begun, which for some rules is the text's beginning."""
        return _open_from(text, lambda spelled: self._rules.begun(spelled, until), fold=False)

    def _places(self, text: str, until: float) -> list[Place]:
        if not self._rules.find(normal(text, fold=False), until):
            return []
        spelled = aligned(text, fold=False)
        return [spelled.place(*place) for place in self._rules.find(spelled.text, until)]


class LabelFinder:
    """A classifier's labels; what is found is the whole text."""

    def __init__(self, classify: Classify, classifier: str, labels: Sequence[str], score: float) -> None:
        self._classify, self._classifier, self._labels, self._score = classify, classifier, labels, score

    def find(self, texts: Sequence[str], until: float) -> list[list[Place]]:
        """The whole of each text that has one of the labels."""
        asked = [text for text in texts if text.strip()]
        answers = iter(self._classify(self._classifier, asked) if asked else ())
        return [[(0, len(text))] if text.strip() and self._counts(next(answers)) else [] for text in texts]

    def open_from(self, text: str, until: float) -> int:
        """The whole: a label is of the whole text."""
        return 0

    def _counts(self, answer: Mapping[str, Any]) -> bool:
        scores = answer.get("scores") or {answer.get("label"): answer.get("score", 0.0)}
        return any(scores.get(label, 0.0) >= self._score for label in self._labels)


def _open_from(text: str, begun: Callable[[str], int], *, fold: bool) -> int:
    """Where what may become a find begins, by how many last characters of a spelling may.

    The last character is open in any case, and what goes with those before it: a mark may follow that makes another
    one of it.
    """
    spelled = normal(text, fold=fold)
    return _start(text, max(begun(spelled), begun(spelled[:-1]) + 1), fold=fold)


def _start(text: str, last: int, *, fold: bool) -> int:
    """Where in a text the last characters of its one spelling begin; only as much of it is looked at as that takes."""
    size = 2 * last + 8
    while True:
        tail = text[-size:]
        spelled = aligned(tail, fold=fold)
        if len(spelled.starts) > last:
            return len(text) - len(tail) + spelled.starts[-last]
        if size >= len(text):
            return 0
        size *= 4

"""A policy at work: rows before the model sees them, predictions before the client does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from tunesmith.service.problems import Refused
from tunesmith.service.safety.filters import Classify, Finder, finder
from tunesmith.service.safety.limits import within
from tunesmith.service.safety.policy import Action, Filter, Policy
from tunesmith.service.safety.rules import TooSlow
from tunesmith.service.safety.texts import replaced, strings
from tunesmith.service.safety.words import Place

SECONDS = 0.1
"""That the filters of one direction have for one request, classifiers not counted."""
LONG = 50_000
"""Characters, for which filters of words take some milliseconds."""
MASK = "*"
"""For each character: what is behind keeps its place, so that spans in an answer point to where they should."""


class Flag(TypedDict):
    """A filter that found something in a row or in its answer."""

    row: int
    """Counted from 0."""
    filter: str
    on: str
    """"prompt" or "output"."""
    action: Action


class Guard:
    """What a policy says, made ready.

    Args:
        policy: limits and filters.
        classify: asks a bundle about texts, for filters that have one.
        folder: relative to which a filter's file is named.

    Raises:
        RecipeError: a filter cannot be made ready.
    """

    def __init__(self, policy: Policy, classify: Classify | None = None, folder: str | Path = ".") -> None:
        self.policy = policy
        self.prompts = [(spec, finder(spec, classify, Path(folder))) for spec in policy.prompts]
        self.outputs = [(spec, finder(spec, classify, Path(folder))) for spec in policy.outputs]
        self.computes = any(spec.classifier for spec in (*policy.prompts, *policy.outputs))
        """Whether a model is asked, so that it is better done in a thread."""

    def slow(self, given: Sequence[Any]) -> bool:
        """Whether this is better done in a thread: a model is asked, or there is much text to look through."""
        if self.computes or not (self.prompts or self.outputs):
            return self.computes
        return sum(map(len, strings(given))) > LONG

    def before(self, rows: Sequence[Any]) -> tuple[list[Any], list[Flag]]:
        """The rows as the model may see them.

        Raises:
            Refused: over a limit ("too_large"), or blocked ("content_filter").
        """
        within(self.policy.limits, rows)
        return _filtered(self.prompts, rows, "prompt")

    def after(self, predictions: Sequence[Any]) -> tuple[list[Any], list[Flag]]:
        """The predictions as the client may see them.

        Raises:
            Refused: blocked ("content_filter").
        """
        return _filtered(self.outputs, predictions, "output")


def _filtered(filters: Sequence[tuple[Filter, Finder]], rows: Sequence[Any], on: str) -> tuple[list[Any], list[Flag]]:
    held = list(rows)
    flags: list[Flag] = []
    until = time.perf_counter() + SECONDS
    for spec, finds in filters:
        owners = [index for index, row in enumerate(held) for _ in strings(row)]
        texts = [text for row in held for text in strings(row)]
        try:
            places = finds.find(texts, until)
        except TooSlow:
            # What cannot be looked through may hold what is to be kept out: only a flag lets it pass.
            if spec.action != "flag":
                raise blocked(spec, on) from None
            places = [[(0, len(text))] if text else [] for text in texts]
        hit = sorted({owner for owner, found in zip(owners, places, strict=True) if found})
        if hit and spec.action == "block":
            raise blocked(spec, on)
        flags += [Flag(row=row, filter=spec.name, on=on, action=spec.action) for row in hit]
        if hit and spec.action == "mask":
            held = _masked(held, [mask(text, found) for text, found in zip(texts, places, strict=True)])
        if spec.classifier:
            until = time.perf_counter() + SECONDS
    return held, flags


def _masked(rows: list[Any], texts: list[str]) -> list[Any]:
    """The rows with these texts in place of theirs."""
    left = iter(texts)
    return [replaced(row, lambda _: next(left)) for row in rows]


def mask(text: str, places: Sequence[Place]) -> str:
    """The text with its places covered."""
    for start, end in places:
        text = text[:start] + MASK * (end - start) + text[end:]
    return text


def blocked(spec: Filter, on: str) -> Refused:
    """What the client is told; ``on`` is "prompt" or "output"."""
    what = "The request" if on == "prompt" else "The answer"
    return Refused(400, "content_filter", f'{what} was stopped by the filter "{spec.name}".')

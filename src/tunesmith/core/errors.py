"""One family of exceptions. Each says what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TunesmithError(Exception):
    """Something a user can mend.

    The command line prints ``problem`` on one line and ``hint`` on the next, and exits with 2.

    Args:
        problem: which setting or file, of what, what was given, what is allowed.
        hint: what to do next.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem}\n{self.hint}" if self.hint else self.problem


class RecipeError(TunesmithError):
    """A recipe, an override or an option is wrong. ``mistakes`` holds all of them."""

    def __init__(self, problem: str, hint: str = "", mistakes: Iterable[str] = ()) -> None:
        super().__init__(problem, hint)
        self.mistakes = list(mistakes)


class DataError(TunesmithError):
    """A data file cannot be read, or its rows cannot be learned from."""


class ModelError(TunesmithError):
    """A model cannot be had, or does not fit what is asked of it."""


class TrainingError(TunesmithError):
    """A run cannot start, go on, or be resumed."""


class BundleError(TunesmithError):
    """A bundle is damaged, half there, or does not give the answers that it was saved with."""


class SandboxError(TunesmithError):
    """Code that a model wrote cannot be run safely on this machine; nothing was run."""


class ExtraMissing(TunesmithError):
    """A room needs a package that is not installed."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest known names, or lists all when none is near.

    >>> did_you_mean("lroa", ["full", "lora"])
    'Did you mean "lora"? Known: full, lora.'
    """
    names = sorted(known)
    near = get_close_matches(given.lower(), names, n=1, cutoff=0.6)
    known_list = f"Known: {', '.join(names)}." if names else "None is known."
    return f'Did you mean "{near[0]}"? {known_list}' if near else known_list

from __future__ import annotations

import pytest

from tunesmith.core import errors
from tunesmith.core.errors import RecipeError, TunesmithError, did_you_mean


def test_problem_and_hint_are_two_lines() -> None:
    assert str(TunesmithError("It is wrong.", "Mend it.")) == "It is wrong.\nMend it."
    assert str(TunesmithError("It is wrong.")) == "It is wrong."


def test_one_family() -> None:
    family = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(family) > 5
    assert all(issubclass(error, TunesmithError) for error in family)


def test_mistakes_are_kept() -> None:
    assert RecipeError("Two.", "", iter(["a", "b"])).mistakes == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("lroa", 'Did you mean "lora"? Known: full, lora.'),
        ("LORA", 'Did you mean "lora"? Known: full, lora.'),
        ("xyz", "Known: full, lora."),
    ],
)
def test_did_you_mean(given: str, said: str) -> None:
    assert did_you_mean(given, ["lora", "full"]) == said


def test_nothing_known() -> None:
    assert did_you_mean("lora", []) == "None is known."

"""Arguments that several verbs share, written once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from tunesmith.core.errors import RecipeError

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
"""``def verb(..., json: Json = False)``."""

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings of the recipe, for example training.epochs=3."),
]
"""``def verb(..., overrides: Overrides = None)``."""

_OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_0-9]+)*=")


def is_override(argument: str) -> bool:
    """Whether an argument is ``key=value``, not a text or a file that has an equals sign in it.

    >>> is_override("training.epochs=3"), is_override("1+1=2")
    (True, False)
    """
    return bool(_OVERRIDE.match(argument)) and not Path(argument).exists()


def split_overrides(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    """Trailing arguments as (the others, the overrides), each in order.

    >>> split_overrides(["new.csv", "method=lora"])
    (['new.csv'], ['method=lora'])
    """
    given = list(arguments)
    return [a for a in given if not is_override(a)], [a for a in given if is_override(a)]


def columns_by_role(pairs: Iterable[str]) -> dict[str, str]:
    """``--column`` options as role -> column.

    >>> columns_by_role(["text=review"])
    {'text': 'review'}

    Raises:
        RecipeError: one is not ROLE=COLUMN.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        role, equals, name = pair.partition("=")
        if not (role and equals and name):
            raise RecipeError(f'--column is "{pair}".', "Write ROLE=COLUMN, for example: --column text=review")
        found[role] = name
    return found

"""``tunesmith gate``: may a new bundle take an old one's place?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json
from tunesmith.core.errors import RecipeError


def gate(
    new: Annotated[str, typer.Argument(metavar="NEW", help="The candidate's folder.")],
    against: Annotated[str, typer.Option("--against", help="The bundle that serves.")] = "",
    held: Annotated[str, typer.Option("--held", help="Labelled rows of today that it did not learn from.")] = "",
    protect: Annotated[str | None, typer.Option("--protect", help="Labelled rows that must not be forgotten.")] = None,
    most_lost: Annotated[float, typer.Option("--most-lost", help="Of the primary metric on protected rows.")] = 0.02,
    least_gained: Annotated[float, typer.Option("--least-gained", help="Of it on held rows.")] = 0.0,
    part: Annotated[str | None, typer.Option("--part", help="Of bundles that are mixtures: the part to ask.")] = None,
    json: Json = False,
) -> int:
    """Compare a candidate with the bundle that serves, on held-out and on protected rows; exit code 2 refuses it."""
    if not against or not held:
        raise RecipeError(
            "gate compares with a bundle on labelled rows.", "Give both: --against out/reviews --held held.csv"
        )
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.pipeline.candidate import candidate

    found = candidate(against, new, held, protect, part=part, most_lost=most_lost, least_gained=least_gained)
    emit({"bundle": new, "against": against, **found}, json, _page)
    return 0 if found["accepted"] else 2


def _page(told: dict[str, Any]) -> str:
    return str(told["words"])

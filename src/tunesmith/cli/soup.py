"""``tunesmith soup``: several bundles averaged into one."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, split_overrides


def soup(
    bundles: Annotated[list[str], typer.Argument(metavar="BUNDLE...", help="Folders, then settings: bundle=out/soup.")],
    how: Annotated[str, typer.Option("--how", help="greedy or uniform.")] = "greedy",
    replace: Annotated[bool, typer.Option("--replace", help="Write over a bundle of the same name.")] = False,
    json: Json = False,
) -> None:
    """Average the weights of bundles that were tuned on the same rows with other settings or seeds.

    The new bundle is as large and as quick as one of them. greedy goes from the best member to the worst and takes each
    that does not make the figure on the validation rows worse; uniform takes all. The average is proven like any
    other model, beside the best member.
    """
    from tunesmith.core.errors import RecipeError
    from tunesmith.core.runtime import calm_threads

    if how not in ("greedy", "uniform"):
        raise RecipeError(f'--how is "{how}".', "Take greedy or uniform.")
    calm_threads()
    from tunesmith.cli.tune import outcome
    from tunesmith.pipeline.soup import soup as stirred

    begun = time.monotonic()
    folders, overrides = split_overrides(bundles)
    made = stirred(folders, overrides, how=how, overwrite=replace)  # type: ignore[arg-type]
    emit({**outcome(made, time.monotonic() - begun), "soup": made.report["soup"]}, json, _page)


def _page(result: dict[str, Any]) -> Any:
    from tunesmith.cli.members import page

    return page(result, "soup", "", lambda member: "taken" if member["taken"] else "left out")

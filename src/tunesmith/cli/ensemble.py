"""``tunesmith ensemble``: several bundles that answer together, as one."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, split_overrides


def ensemble(
    bundles: Annotated[list[str], typer.Argument(metavar="BUNDLE...", help="Folders, then settings: bundle=out/all.")],
    how: Annotated[str, typer.Option("--how", help="selected or equal.")] = "selected",
    weights: Annotated[str, typer.Option("--weights", help="One a bundle, instead of --how: 2,1,1")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Write over a bundle of the same name.")] = False,
    json: Json = False,
) -> None:
    """Let bundles answer together: the new bundle holds them all, and costs as much to ask as all of them.

    Their weights are chosen on the validation rows, where a member that does not help gets none. They may be of
    different models if the tokenizer is the same. The ensemble is proven like any other model, beside the best member.
    To have it in one small model, distill from it: training.strategies=[{name: distill, ...}].
    """
    from tunesmith.core.errors import RecipeError
    from tunesmith.core.runtime import calm_threads

    if how not in ("selected", "equal"):
        raise RecipeError(f'--how is "{how}".', "Take selected or equal.")
    try:
        given = [float(word) for word in weights.split(",")] if weights else []
    except ValueError:
        raise RecipeError(f'--weights is "{weights}".', "Give numbers with commas between: 2,1,1") from None
    calm_threads()
    from tunesmith.cli.tune import outcome
    from tunesmith.pipeline.ensemble import ensemble as joined

    begun = time.monotonic()
    folders, overrides = split_overrides(bundles)
    made = joined(folders, overrides, how=how, weights=given, overwrite=replace)  # type: ignore[arg-type]
    emit({**outcome(made, time.monotonic() - begun), "ensemble": made.report["ensemble"]}, json, _page)


def _page(result: dict[str, Any]) -> Any:
    from tunesmith.cli.members import page

    return page(result, "ensemble", "weight", lambda member: f"{member['weight']:.0%}")

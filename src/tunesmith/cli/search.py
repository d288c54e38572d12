"""``tunesmith search``: hyper-parameters by trials, then the best recipe run whole."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, Overrides


def search(
    data: Annotated[str, typer.Argument(help="A data file, glob, folder or hub id; or a recipe (.yaml).")],
    overrides: Overrides = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many, in all.")] = 20,
    storage: Annotated[
        str | None,
        typer.Option("--storage", help="A database to keep the trials in, for example sqlite:///trials.db."),
    ] = None,
    sampler: Annotated[str, typer.Option("--sampler", help="What to try next by: tpe, random or gp.")] = "tpe",
    pruner: Annotated[
        str, typer.Option("--pruner", help="What to give up early by: median, halving or none.")
    ] = "median",
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes at a time.")] = 1,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a bundle of the same name.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an unfinished search left.")] = False,
    json: Json = False,
) -> None:
    """Try settings on the validation rows, then tune with the best of them and prove the bundle on the test rows.

    What is tried stands in the recipe: search.space={"training.learning_rate": [1e-5, 5e-4, log], "method.rank":
    [4, 8, 16]}. Without it, the settings that matter for the method are tried around its defaults; what the recipe
    sets itself stays. Trials that others have left behind are given up early. No trial sees a test row.
    Run again after a crash, the same command goes on with the trials that it has.
    """
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.pipeline.plan import as_recipe
    from tunesmith.pipeline.search import SearchOptions
    from tunesmith.pipeline.search import search as found

    begun = time.monotonic()
    options = SearchOptions(trials, storage, sampler, pruner, jobs)
    bundle = found(as_recipe(data, overrides or []), options, overwrite=replace, fresh=fresh)
    from tunesmith.cli.tune import outcome

    emit({**outcome(bundle, time.monotonic() - begun), "search": bundle.report["search"]}, json, _page)


def _page(result: dict[str, Any]) -> Any:
    from rich.console import Group

    from tunesmith.cli.tune import _page as tuned

    found = result["search"]
    settings = ", ".join(f"{key}={_short(value)}" for key, value in found["best"]["settings"].items())
    matters = ", ".join(f"{key} {share:.0%}" for key, share in list(found["importance"].items())[:5])
    lines = ["", found["words"], f"best    {settings}", *([f"matters {matters}"] if matters else [])]
    return Group(tuned(result), *lines)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

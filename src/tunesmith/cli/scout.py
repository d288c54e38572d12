"""``tunesmith scout``: the ladder from the majority to full tuning, within a time budget."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, Overrides
from tunesmith.core.whole_file import whole_file


def scout(
    data: Annotated[str, typer.Argument(help="A data file, glob, folder or hub id; or a recipe (.yaml).")],
    overrides: Overrides = None,
    budget: Annotated[str, typer.Option("--budget", help="Time for all candidates: 90s, 10m, 1h30m.")] = "10m",
    report: Annotated[Path | None, typer.Option("--report", help="Write the page to this .html file.")] = None,
    json: Json = False,
) -> None:
    """Try the cheap answers first: which candidate is worth its cost on your rows?

    The ladder: baselines (majority, TF-IDF), zero-shot, a head on frozen embeddings, few-shot, LoRA, full tuning.
    Each is timed on a few rows before it starts; what would not fit into the time left is said, and left out.
    The pick is the cheapest that a paired test does not tell from the best, with a recipe ready for tune. The test
    rows stay untouched.
    """
    from tunesmith.core.runtime import calm_threads
    from tunesmith.search.budget import seconds_of

    seconds = seconds_of(budget)
    calm_threads()
    from tunesmith.pipeline.plan import as_recipe
    from tunesmith.pipeline.scout import scout as climbed

    with nullcontext() if report is None else whole_file(report, "--report", "The page") as page:
        with tempfile.TemporaryDirectory(prefix="tunesmith-") as scratch:
            result = climbed(as_recipe(data, overrides or []), seconds, scratch)
        if page is not None:
            from tunesmith.evaluation.ladder_page import ladder_page

            page.write(ladder_page(result, _yaml(result["recipe"])))
    emit(result, json, _page)


def _page(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from tunesmith.evaluation.words import duration, number

    metric = result["metric"]
    table = Table(box=None, pad_edge=False)
    for heading in ("candidate", metric, "interval", "time", "beside the best"):
        table.add_column(heading, justify="right" if heading in (metric, "interval", "time") else "left")
    for rung in result["rungs"]:
        if rung["skipped"]:
            table.add_row(rung["title"], "-", "-", "-", f"not tried: {rung['skipped']}")
            continue
        figure = rung["figures"][metric]
        span = "-" if figure["low"] is None else f"{figure['low']:.3f} to {figure['high']:.3f}"
        table.add_row(rung["title"], number(figure["value"]), span, duration(rung["seconds"]), rung["beside_best"])
    rows = ", ".join(f"{name} {count}" for name, count in result["rows"].items())
    # To be copied: a line that the terminal's width broke would be another recipe, and [brackets] are no markup.
    recipe = Text(_yaml(result["recipe"]), no_wrap=True, overflow="ignore")
    ready: list[str | Text] = ["", "recipe (save it as recipe.yaml, then: tunesmith tune recipe.yaml)", "", recipe]
    return Group(table, "", result["words"], f"rows: {rows}", *(ready if result["recipe"] else []))


def _yaml(values: dict[str, Any] | None) -> str:
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100) if values else ""

"""``tunesmith learn``: new rows and classes for a bundle, and what it forgets of the old ones."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, Overrides


def learn(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder that tune wrote.")],
    file: Annotated[str, typer.Argument(help="New labelled rows: file, glob, folder or hub id.")],
    overrides: Overrides = None,
    protect: Annotated[str, typer.Option("--protect", help="Labelled rows that must not be forgotten.")] = "",
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", help="replay, ewc, lwf, none; may stand several times.")
    ] = None,
    apart: Annotated[
        bool, typer.Option("--apart", help="Leave its weights alone: an adapter for the new rows, and a router.")
    ] = False,
    max_forgetting: Annotated[
        float | None,
        typer.Option("--max-forgetting", help="Most that the primary metric may fall on the protected rows."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a bundle of the same name.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an unfinished run left.")] = False,
    json: Json = False,
) -> None:
    """Let a bundle learn new rows, from its own weights, and measure what it forgets; the old bundle stays as it is.

    Labels that it does not know become new classes beside the old ones, which keep their part of the head. The
    protected rows are divided: from some the strategy learns (replay, the default, trains on them among the new ones),
    on the others the old bundle and the new one are compared. With --max-forgetting, what forgets more does not ship.

    With --apart the old weights do not move at all: the new rows get an adapter of their own (method=lora), and a
    router gives each text to the old model or to an adapter.
    """
    from tunesmith.core.errors import RecipeError
    from tunesmith.core.runtime import calm_threads

    if not protect:
        raise RecipeError(
            "--protect is missing: forgetting is measured on rows that the bundle knows.",
            "Give for example the file that it was tuned on: --protect reviews.csv",
        )
    if max_forgetting is not None and not max_forgetting >= 0:
        raise RecipeError(f"--max-forgetting is {max_forgetting}; it must be 0 or more.", "For example 0.02.")
    calm_threads()
    from tunesmith.pipeline.learn import LearnOptions
    from tunesmith.pipeline.learn import learn as learned

    begun = time.monotonic()
    names = None if not strategy else [name for name in strategy if name != "none"]
    options = LearnOptions(protect, names, max_forgetting, apart)
    made = learned(bundle, file, overrides or [], options, overwrite=replace, fresh=fresh)
    from tunesmith.cli.tune import outcome

    emit({**outcome(made, time.monotonic() - begun), "forgetting": made.report["forgetting"]}, json, _page)


def _page(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table

    from tunesmith.evaluation.words import number, p_words, signed

    found = result["forgetting"]
    table = Table(box=None, pad_edge=False)
    for heading in ("rows", "metric", "before", "after", "difference", "interval", ""):
        table.add_column(heading, justify="left" if heading in ("rows", "metric") else "right")
    for side, rows in (("protected", "protected"), ("new", "new test rows")):
        for name, one in found[side]["compared"].items():
            gap = one["difference"]
            defined = gap["value"] is not None and gap["value"] == gap["value"]
            values = [number(one["second_value"]), number(one["first_value"])]
            told = [signed(gap["value"]), f"{signed(gap['low'])} to {signed(gap['high'])}", p_words(one["p_value"])]
            table.add_row(rows, name, *values, *(told if defined else ["-", "-", ""]))
            rows = ""
    fresh = ", ".join(found["new_classes"]) or "none"
    path = result["bundle"]
    lines = [f"new classes  {fresh}", f"bundle       {path}   (from {found['parent']['path']}, which stays as it is)"]
    return Group(table, "", found["words"], "", *lines, f"report       {path}/report.html")

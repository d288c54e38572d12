"""``tunesmith reproduce``: run a bundle's recipe again, and say whether the figures agree."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json


def reproduce(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder that tune wrote.")],
    output: Annotated[str | None, typer.Option("--output", help="Keep the second bundle in this folder.")] = None,
    json: Json = False,
) -> int:
    """Run a bundle's recipe again and compare data, figures and answers with those that it was saved with.

    Exit code 0: they agree. 1: they do not, with what differs.
    """
    from tunesmith.pipeline.reproduce import reproduced

    result = reproduced(bundle, output)
    emit(result, json, _page)
    return 0 if result["agrees"] else 1


def _page(result: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("metric", "then", "now"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for name, pair in result["metrics"].items():
        table.add_row(name, *("-" if value is None else f"{value:.6f}" for value in pair.values()))
    return Group(table, "", result["verdict"], *[f"- {note}" for note in result["differences"]])

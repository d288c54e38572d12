"""``tunesmith add``: items and interactions that a recommender gets to know without being tuned again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json


def add(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder that tune wrote.")],
    items: Annotated[str | None, typer.Argument(metavar="[ITEMS]", help="A table of items: id, text ...")] = None,
    log: Annotated[
        str | None, typer.Option("--log", help="Interactions since then, columns as in the log of the bundle.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write here; absent: in the bundle's place.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over another bundle that is at --to.")] = False,
    json: Json = False,
) -> None:
    """Let a recommender know new items, or what users have taken since, without tuning it again.

    New items are placed by their texts and can be recommended at once. What users took since counts for popularity,
    for what is taken together, and as their history. The bundle gives way when the new one is whole and proven.
    """
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.pipeline.add_items import add_items

    found = add_items(bundle, items, log, to, overwrite=replace)
    told = {
        "bundle": str(found.bundle.path), "items": found.items, "known": found.known, "events": found.events,
        "notes": found.notes,
    }  # fmt: skip
    emit(told, json, _page)


def _page(told: dict[str, Any]) -> str:
    lines = [f"{told['items']:,} new items and {told['events']:,} interactions are in {told['bundle']}"]
    if told["known"]:
        lines.append(f"{told['known']:,} items of the table were known already, and stay as they were")
    return "\n".join([*lines, *(f"note: {note}" for note in told["notes"])])

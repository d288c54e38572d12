"""``tunesmith query``: which rows of an unlabelled file to label next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json, columns_by_role
from tunesmith.core.errors import RecipeError


def query(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder that tune wrote.")],
    file: Annotated[str, typer.Argument(help="Rows without labels: file, glob or folder.")],
    by: Annotated[
        str,
        typer.Option("--by", help="uncertainty, margin, entropy, diversity, both, badge or random."),
    ] = "margin",
    count: Annotated[int, typer.Option("--count", min=1, help="How many rows.")] = 100,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here: .jsonl, .json, .csv or .tsv.")
    ] = None,
    known: Annotated[
        str | None, typer.Option("--known", help="Rows that are labelled: left out, and kept away from.")
    ] = None,
    column: Annotated[list[str] | None, typer.Option("--column", help="ROLE=COLUMN of the file: text=review")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of what is drawn.")] = 13,
    json: Json = False,
) -> None:
    """Rank what to label next: what the bundle is unsure of, what is unlike the rest, or both.

    The file that is written has the rows as they were, the most wanted first, with the bundle's answer as a
    suggestion. Label it, and tune again with it beside the old rows.
    """
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.bundle.answers import answers_file, check_suffix
    from tunesmith.pipeline.query import query as chosen
    from tunesmith.pipeline.query import suggestion

    if output is not None:
        check_suffix(output)
    elif not json:
        raise RecipeError("There is no place for the rows.", "Name a file: -o next.csv, or ask for --json")
    found = chosen(bundle, file, by=by, count=count, columns=columns_by_role(column or []), known=known, seed=seed)
    if found.unread:
        first = found.unread[0]
        told = f"{len(found.unread)} of {found.rows} rows cannot be read; the first: {first.problem}"
        print(f"{told}: {dict(first.given)!r:.120}", file=sys.stderr)
    result: dict[str, Any] = {"by": by, "rows": found.rows, "chosen": len(found.picked)}
    if output is None:
        emit({**result, "picked": [{**dict(p.question.given), **suggestion(p)} for p in found.picked]}, json)
        return
    with answers_file(output, errors=False) as write:
        for picked in found.picked:
            write(picked.question, suggestion(picked))
    emit({**result, "output": output}, json, _line)


def _line(told: dict[str, Any]) -> str:
    return f"{told['chosen']:,} of {told['rows']:,} rows in {told['output']}, by {told['by']}"

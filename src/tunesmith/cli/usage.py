"""``tunesmith usage``: what was answered, for whom; and what it costs."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli import stores
from tunesmith.cli.columns import aligned
from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json
from tunesmith.core.errors import RecipeError


def usage(
    since: Annotated[str | None, typer.Option("--since", help="The first day, in UTC: 2026-11-01.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="The last day, which is included.")] = None,
    by: Annotated[
        str, typer.Option("--by", help="Of key, product, version, month, day, hour.")
    ] = "key,product,version,day",
    invoice: Annotated[
        str | None, typer.Option("--invoice", help="A month, 2026-11: lines with the catalog's prices.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write here.")] = None,
    store: stores.StoreUrl = None,
    catalog: stores.CatalogFile = None,
    json: Json = False,
) -> None:
    """Sum up requests, rows and tokens by key, product, version and day; or make the lines of a month's invoices.

    Failed requests are among the requests, and are not invoiced.
    """
    known = stores.read(catalog)
    if invoice is not None and known is None:
        raise RecipeError("Prices are in the catalog.", "Name it: --invoice 2026-11 --catalog catalog.yaml")
    engine = stores.opened(store, known)
    from tunesmith.service import invoice as invoices
    from tunesmith.service import usage as used
    from tunesmith.service.metering.settle import SUMS

    columns: tuple[str, ...]
    if invoice is not None and known is not None:
        columns, rows = invoices.COLUMNS, invoices.invoice(engine, known.plans, invoice)
    else:
        names = [name.strip() for name in by.split(",") if name.strip()]
        columns = (*names, *SUMS)
        rows = used.usage(engine, _day(since, "--since"), _day(until, "--until"), names)
    if csv is not None:
        csv.write_text(used.csv_text(columns, rows), "utf-8")
        emit({"csv": csv, "lines": len(rows)}, json, lambda told: f"{told['lines']:,} lines in {told['csv']}")
        return
    plain = [{name: value if isinstance(value, int) else str(value) for name, value in row.items()} for row in rows]
    emit(
        {"invoice" if invoice else "usage": plain},
        json,
        lambda _: aligned(columns, plain) if plain else "Nothing was used in this time.",
    )


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise RecipeError(f'{option} is "{text}", which is no day.', "Write it as 2026-11-30.") from error

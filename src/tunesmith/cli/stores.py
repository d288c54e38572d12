"""Which store a verb works on: ``--store``, else ``TUNESMITH_STORE``, the one of ``--catalog``, or the usual file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.core.errors import TunesmithError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tunesmith.service.settings import Catalog

STORE_OF_PLACE = "TUNESMITH_STORE"
"""Environment variable with the store's URL: of an image, where its store is, with the password, is no matter of it."""
StoreUrl = Annotated[
    str | None,
    typer.Option("--store", help="An URL; default: $TUNESMITH_STORE, the catalog's, or sqlite:///tunesmith.db."),
]
CatalogFile = Annotated[
    Path | None, typer.Option("--catalog", help="The catalog.yaml of the service: its store, plans and products.")
]


def read(catalog: Path | None) -> Catalog | None:
    """The catalog that was named."""
    from tunesmith.service.settings import read_catalog

    return None if catalog is None else read_catalog(catalog)


def opened(store: str | None, catalog: Catalog | None, *, new: bool = False) -> Engine:
    """A store with its tables.

    Args:
        store: an URL.
        catalog: whose store it is, where none is named.
        new: whether a file may be made. Otherwise a slip in its name would show an empty store.

    Raises:
        TunesmithError: it is not there, or cannot be opened.
    """
    from tunesmith.service.door import enter

    enter("keys and usage")
    from tunesmith.service.settings import STORE
    from tunesmith.service.store.connect import file_of, shown
    from tunesmith.service.store.migrate import open_store

    url = store or os.environ.get(STORE_OF_PLACE) or (catalog.store or catalog.usual_store() if catalog else STORE)
    file = file_of(url)
    if not new and file is not None and not file.exists():
        raise TunesmithError(f"There is no store {shown(url)} here.", "Name it: --store URL, or --catalog FILE")
    return open_store(url)

"""What of a catalog cannot be shared by several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunesmith.core.errors import RecipeError
from tunesmith.service.settings import Catalog
from tunesmith.service.store.connect import file_of


def refuse_unshared(catalog: Catalog) -> None:
    """Look whether several processes can serve a catalog together.

    Raises:
        RecipeError: what they would count, each would count for itself.
    """
    if catalog.replicas.most == 1 and catalog.server.alone:
        return
    wrong, store = [], catalog.store_url()
    if store is not None and file_of(store) is not None:
        wrong.append("store is a file of one machine (SQLite), and must be a PostgreSQL: postgresql+psycopg://...")
    if catalog.plans and not catalog.server.is_open() and catalog.limits.startswith("memory:"):
        wrong.append("limits are counted in each process (memory://), and must be in a Redis: redis://host:6379")
    if wrong:
        raise RecipeError(
            f"Several processes cannot share this catalog: {'; '.join(wrong)}.",
            "Name them in the catalog, or by TUNESMITH_STORE and TUNESMITH_LIMITS; or say that one serves: "
            "replicas: {most: 1}, server: {alone: true}.",
            wrong,
        )


def anywhere(catalog: Catalog) -> Catalog:
    """The same with absolute paths: a replica begins in another folder."""
    products = {
        name: one.model_copy(update={"versions": {version: path.absolute() for version, path in one.versions.items()}})
        for name, one in catalog.products.items()
    }
    server = catalog.server.model_copy(update={"folder": catalog.server.folder.absolute()})
    change: dict[str, Any] = {"products": products, "folder": catalog.folder.absolute(), "server": server}
    if catalog.request_log is not None:
        path = catalog.request_log.path.absolute()
        change["request_log"] = catalog.request_log.model_copy(update={"path": path})
    store = catalog.store_url()
    if store is not None and store.startswith("sqlite:///") and not store.startswith("sqlite:////"):
        change["store"] = f"sqlite:///{Path(store.removeprefix('sqlite:///')).absolute()}"
    return catalog.model_copy(update=change)


def of_place(catalog: Catalog, place: int) -> Catalog:
    """The same for the replica at a place of its machine: what is one file for a process is another for the next."""
    if catalog.request_log is None:
        return catalog
    path = catalog.request_log.path
    log = catalog.request_log.model_copy(update={"path": path.with_name(f"{path.stem}-{place}{path.suffix}")})
    return catalog.model_copy(update={"request_log": log})

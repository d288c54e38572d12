"""``tunesmith serve``: a bundle, or all of a catalog, behind HTTP."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunesmith.cli.frame import emit
from tunesmith.cli.options import Json
from tunesmith.cli.stores import STORE_OF_PLACE

if TYPE_CHECKING:
    from tunesmith.service.services import Services
    from tunesmith.service.settings import Catalog


class Where(StrEnum):
    """What runs it."""

    here = "here"
    ray = "ray"


ENVIRONMENT = {"store": STORE_OF_PLACE, "limits": "TUNESMITH_LIMITS"}
"""What of a catalog the environment says in its place."""


def serve(
    what: Annotated[str, typer.Argument(metavar="BUNDLE|CATALOG", help="A bundle's folder, or a catalog.yaml.")],
    host: Annotated[str | None, typer.Option("--host", help="Where to listen; default: 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Default: 8000; 0 takes a free one.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The product's name; default: the folder's.")] = None,
    runtime: Annotated[str | None, typer.Option("--runtime", help="What computes; default: as proven.")] = None,
    keys: Annotated[
        bool | None, typer.Option("--keys/--open", help="Ask for keys, or not; default: not on this machine alone.")
    ] = None,
    unproven: Annotated[bool, typer.Option("--unproven", help="Serve what has no good record of parity.")] = False,
    on: Annotated[
        Where, typer.Option("--on", help="ray: replicas that come and go with the load, on Ray Serve.")
    ] = Where.here,
    json: Json = False,
) -> None:
    """Serve predictions over HTTP until Ctrl-C or SIGTERM. The page at / shows what is served, and how to ask."""
    from tunesmith.core.runtime import calm_threads

    calm_threads()
    from tunesmith.service.door import enter

    enter("tunesmith serve")
    from tunesmith.service.replicas.fit import refuse_unshared
    from tunesmith.service.run import build
    from tunesmith.service.run import serve as run
    from tunesmith.service.settings import of_bundle, read_catalog

    path = Path(what)
    file = path if path.is_file() else None
    catalog = of_bundle(path, name) if file is None else read_catalog(file)
    catalog = _changed(catalog, host, port, keys, runtime, unproven)
    if not catalog.server.alone:
        refuse_unshared(catalog)
    if on is Where.ray:
        from tunesmith.service.replicas.on_ray import serve_on_ray

        serve_on_ray(catalog, lambda address: emit(_told(catalog, address, file), json, _readable))
        return
    services = build(catalog)
    run(services, lambda address: emit(_told(catalog, address, file, services), json, _readable))


def _changed(
    catalog: Catalog, host: str | None, port: int | None, keys: bool | None, runtime: str | None, unproven: bool
) -> Catalog:
    given = {"host": host, "port": port, "open": None if keys is None else not keys}
    server = catalog.server.model_copy(update={key: value for key, value in given.items() if value is not None})
    change: dict[str, Any] = {"runtime": runtime} if runtime else {}
    change |= {"unproven": True} if unproven else {}
    # Of an image: where its store is, with the password, is no matter of the image.
    outside = {field: os.environ.get(word) for field, word in ENVIRONMENT.items()}
    places = {field: value for field, value in outside.items() if value}
    products = {key: one.model_copy(update=change) for key, one in catalog.products.items()}
    return catalog.model_copy(update={"server": server, "products": products, **places})


def _told(catalog: Catalog, address: str, file: Path | None, services: Services | None = None) -> dict[str, Any]:
    from tunesmith.service.examples import row_of

    example = {"text": "..."}  # where replicas have the bundles this process has none
    if services is not None:
        first = next(iter(services.products)).stable
        example = row_of(first.task, first.request)
    return {
        "address": address,
        "products": list(catalog.products),
        "keys": not catalog.server.is_open(),
        "make_key": f"tunesmith keys make NAME{f' --catalog {file}' if file else ''}",
        "example": example,
    }


def _readable(told: dict[str, Any]) -> str:
    first = told["products"][0]
    print(f"Serving {', '.join(told['products'])} on {told['address']}", file=sys.stderr)
    key = " -H 'Authorization: Bearer YOUR_KEY'" if told["keys"] else ""
    make = f"\n  Make a key: {told['make_key']}" if told["keys"] else ""
    body = dumps(told["example"], ensure_ascii=False).replace("'", "'\\''")
    return f"""\
  {told["address"]}/  shows what is served, and tries it
  curl {told["address"]}/v1/predict/{first}{key} -d '{body}'{make}
  Ctrl-C ends it."""

"""Keys and usage, under the admin key: ``/admin/keys``, ``/admin/usage``, ``/admin/invoice.csv``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine

from tunesmith.core.errors import TunesmithError, did_you_mean
from tunesmith.service import invoice as invoices
from tunesmith.service import usage as used
from tunesmith.service.auth import KeyRing
from tunesmith.service.keys.secret import NewKey
from tunesmith.service.keys.shown import shown
from tunesmith.service.metering.settle import SUMS
from tunesmith.service.problems import Refused
from tunesmith.service.routes.admin_only import admin_only
from tunesmith.service.services import Services
from tunesmith.service.settings import Name

Since = Annotated[date | None, Query(description="the first day, in UTC")]
Until = Annotated[date | None, Query(description="the last day, which is included")]
By = Annotated[str, Query(max_length=100, description="of key, product, version, month, day, hour")]
Id = Annotated[str, Field(pattern=r"^[0-9a-z]{1,64}$")]
EVERYTHING = ",".join(used.BY)


class AskedKey(BaseModel):
    """A key that is wanted."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200, examples=["Tea house"])
    products: list[Name] | None = Field(default=None, min_length=1, max_length=1000, description="null: all")
    plan: str = Field(default="", max_length=64, description='"": no limits')
    expires_in: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="seconds; null: never")


class Rotation(BaseModel):
    """How a key is renewed."""

    model_config = ConfigDict(extra="forbid")
    grace: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="seconds that the old one works on")


def routes() -> APIRouter:
    """Make, list, revoke, rotate; usage and invoices. Plain functions: FastAPI runs them in threads."""
    router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[Depends(admin_only)])

    @router.post("/keys", status_code=201)
    def make(asked: AskedKey, request: Request, response: Response) -> dict[str, Any]:
        """Make a key. Its text is in this answer and nowhere else."""
        ring = _ring(request)
        _known(request.app.state.services, asked)
        with _told():
            made = ring.make(asked.name, products=asked.products, plan=asked.plan, expires_in=asked.expires_in)
        return _once(ring, made, response)

    @router.get("/keys")
    def list_keys(request: Request) -> dict[str, Any]:
        """All keys there ever were, without their secrets."""
        return {"keys": [shown(key) for key in _ring(request).all()]}

    @router.delete("/keys/{id}")
    def revoke(id: Id, request: Request) -> dict[str, Any]:
        """End a key: here for the very next request, in other processes within a second."""
        with _told():
            return shown(_ring(request).revoke(id))

    @router.post("/keys/{id}/rotate")
    def rotate(id: Id, how: Rotation, request: Request, response: Response) -> dict[str, Any]:
        """Give a key a new secret; its id, plan and usage stay."""
        ring = _ring(request)
        with _told():
            return _once(ring, ring.rotate(id, how.grace), response)

    @router.get("/usage")
    def usage(request: Request, since: Since = None, until: Until = None, by: By = EVERYTHING) -> dict[str, Any]:
        """Sums of what was answered; up to a second old."""
        with _told():
            return {"usage": used.usage(_store(request), since, until, _names(by))}

    @router.get("/usage.csv")
    def usage_csv(request: Request, since: Since = None, until: Until = None, by: By = EVERYTHING) -> Response:
        """The same as CSV."""
        with _told():
            rows = used.usage(_store(request), since, until, _names(by))
        return _csv(used.csv_text((*_names(by), *SUMS), rows), "usage.csv")

    @router.get("/invoice.csv")
    def invoice_csv(request: Request, month: Annotated[str, Query(examples=["2026-11"])]) -> Response:
        """A month's invoices: lines by key, with the catalog's prices."""
        with _told():
            rows = invoices.invoice(_store(request), request.app.state.services.catalog.plans, month)
        return _csv(used.csv_text(invoices.COLUMNS, rows), "invoice.csv")

    return router


def _ring(request: Request) -> KeyRing:
    ring = request.app.state.services.keys
    if not isinstance(ring, KeyRing):
        raise Refused(409, "no_keys", "This service asks for no keys.")
    return ring


def _store(request: Request) -> Engine:
    store: Engine | None = request.app.state.services.store
    if store is None:
        raise Refused(409, "no_store", "This service has no store, so nothing is counted.")
    return store


def _known(services: Services, asked: AskedKey) -> None:
    """A slip in a name would be a key that opens nothing."""
    plans, products = services.catalog.plans, {one.name for one in services.products}
    if asked.plan and asked.plan not in plans:
        message = f'There is no plan "{asked.plan}". {did_you_mean(asked.plan, plans)}'
        raise Refused(422, "unknown_plan", message, param="plan")
    for name in asked.products or ():
        if name not in products:
            message = f'There is no product "{name}". {did_you_mean(name, products)}'
            raise Refused(422, "unknown_product", message, param="products")


@contextmanager
def _told() -> Iterator[None]:
    """Our own errors, as a client's."""
    try:
        yield
    except TunesmithError as error:
        missing = error.problem.startswith("There is no key")
        raise Refused(404 if missing else 422, "not_found" if missing else "refused", error.problem) from error


def _once(ring: KeyRing, made: NewKey, response: Response) -> dict[str, Any]:
    response.headers["cache-control"] = "no-store"
    return {**next(shown(key) for key in ring.all() if key.id == made.id), "key": made.text}


def _names(by: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))


def _csv(text: str, name: str) -> Response:
    disposition = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=disposition)

"""What is served, changed while it runs: ``/admin/products``, under the admin key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from tunesmith.service.products import Product
from tunesmith.service.routes.admin_only import admin_only
from tunesmith.service.services import Services
from tunesmith.service.settings import Name, Route


class NewVersion(BaseModel):
    """A bundle on the service's disk."""

    model_config = ConfigDict(extra="forbid")
    bundle: Path


def routes() -> APIRouter:
    """List, load, route, roll back, unload."""
    router = APIRouter(prefix="/admin/products", tags=["admin"], dependencies=[Depends(admin_only)])

    def services_of(request: Request) -> Services:
        services: Services = request.app.state.services
        return services

    def changed(request: Request) -> Services:
        services = services_of(request)
        services.need_alone("This")
        return services

    @router.get("")
    async def list_products(request: Request) -> dict[str, Any]:
        """What is served, by which versions; and whether this process is alone, so that it may be changed here."""
        services = services_of(request)
        return {"alone": services.alone, "products": [told(one) for one in services.products]}

    @router.put("/{product}/versions/{version}", status_code=201)
    async def load(product: Name, version: Name, new: NewVersion, request: Request) -> dict[str, Any]:
        """Load a bundle as a version. Nobody is sent to it until the route says so."""
        services = changed(request)
        await services.products.add(product, version, new.bundle)
        return told(services.products.of(product))

    @router.delete("/{product}/versions/{version}")
    async def unload(product: Name, version: Name, request: Request) -> dict[str, Any]:
        """Take a version out of memory, when it has answered what it was asked."""
        services = changed(request)
        await services.products.unload(product, version)
        if services.watch is not None:
            services.watch.forget(product, version)
        return told(services.products.of(product))

    @router.put("/{product}")
    async def route(product: Name, route: Route, request: Request) -> dict[str, Any]:
        """Which version answers, which gets a share (canary), which is only compared (shadow). At once."""
        services = changed(request)
        await services.products.change(product, route)
        return told(services.products.of(product))

    @router.post("/{product}/rollback")
    async def rollback(product: Name, request: Request) -> dict[str, Any]:
        """The route before the last change."""
        services = changed(request)
        await services.products.rollback(product)
        return told(services.products.of(product))

    return router


def told(product: Product) -> dict[str, Any]:
    """A product as the admin sees it."""
    return {
        "product": product.name,
        "route": product.route.model_dump(mode="json"),
        "versions": {
            name: {
                "bundle": str(path),
                "loaded": name in product.versions,
                "runtime": product.versions[name].runtime if name in product.versions else None,
            }
            for name, path in product.spec.versions.items()
        },
    }

"""``GET /v1/models``: what the caller may ask, as OpenAI's client lists models."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tunesmith.service.asking import product_of
from tunesmith.service.products import Product
from tunesmith.service.routes.answer import json_response
from tunesmith.service.services import Services


def routes() -> list[Route]:
    """The list, and one of it."""
    return [Route("/v1/models", models), Route("/v1/models/{product}", model)]


async def models(request: Request) -> Response:
    """All that the key may ask."""
    services: Services = request.app.state.services
    caller = services.caller(request)
    found = [described(one) for one in services.products if one.versions and caller.may(one.name)]
    return json_response({"object": "list", "data": found})


async def model(request: Request) -> Response:
    """One of them."""
    services: Services = request.app.state.services
    caller = services.caller(request)
    return json_response(described(product_of(services, caller, request.path_params["product"])))


def described(product: Product) -> dict[str, Any]:
    """A product as OpenAI's model object, and what it does."""
    stable = product.stable
    manifest = stable.bundle.manifest
    return {
        "id": product.name,
        "object": "model",
        "created": int(stable.loaded),
        "owned_by": "tunesmith",
        "task": manifest.task.name,
        "summary": product.spec.summary,
        "version": stable.name,
        "runtime": stable.runtime,
        "max_length": manifest.max_length,
    }

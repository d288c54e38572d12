"""``GET /openapi.json``: the endpoints, and the products that the caller may ask."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tunesmith.service import openapi
from tunesmith.service.routes.answer import json_response
from tunesmith.service.services import Services


def routes() -> list[Route]:
    """The endpoint."""
    return [Route("/openapi.json", description)]


async def description(request: Request) -> Response:
    """Without a key, where keys are asked for, no product is named."""
    services: Services = request.app.state.services
    asked = services.keys is None or "authorization" in request.headers
    return json_response(openapi.schema(request.app, services, services.caller(request) if asked else None))

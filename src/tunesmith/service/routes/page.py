"""``GET /``: a page for people. All of it is ours and needs no network."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tunesmith.service.page.described import described
from tunesmith.service.page.render import asset, page
from tunesmith.service.page.words import language
from tunesmith.service.routes.answer import json_response
from tunesmith.service.services import Services


def routes() -> list[Route]:
    """The page, its files, and what it reads."""
    return [
        Route("/", home),
        Route("/page.js", script),
        Route("/chat.js", script),
        Route("/page.css", style),
        Route("/page/products", products),
    ]


async def home(request: Request) -> Response:
    """The page, in the reader's language; it knows no product and no key."""
    wanted = language(request.headers.get("accept-language", ""), request.query_params.get("lang", ""))
    return HTMLResponse(page(wanted), headers={"content-language": wanted, "vary": "accept-language"})


async def script(request: Request) -> Response:
    """What it does."""
    return Response(asset(request.url.path.lstrip("/")), media_type="text/javascript")


async def style(request: Request) -> Response:
    """How it looks."""
    return Response(asset("page.css"), media_type="text/css")


async def products(request: Request) -> Response:
    """The products that the caller may ask, with the fields of their forms."""
    services: Services = request.app.state.services
    caller = services.caller(request)
    found = [described(one) for one in services.products if one.versions and caller.may(one.name)]
    return json_response({"products": found})

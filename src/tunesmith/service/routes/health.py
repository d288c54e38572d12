"""Whether it lives, whether it can answer, and what Prometheus reads."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tunesmith.service.problems import Refused


def routes() -> list[Route]:
    """``/healthz``, ``/readyz``, ``/metrics``."""
    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def healthz(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """200 when every product is loaded and it is not on its way out, else 503."""
    services = request.app.state.services
    return JSONResponse({"ready": services.ready}, 200 if services.ready else 503)


async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    services = request.app.state.services
    if services.behind_proxy:
        why = "Each replica counts for itself: ask the ports from replicas.metrics_port on."
        raise Refused(409, "several_replicas", why)
    text, kind = services.counts.page(services.products)
    return Response(text, media_type=kind)

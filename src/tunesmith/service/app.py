"""The application: its routes and its layers, all in one visible place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from tunesmith.service import openapi
from tunesmith.service.problems import Refused, invalid
from tunesmith.service.request_id import request_id_of
from tunesmith.service.request_log import note
from tunesmith.service.routes import (
    admin,
    admin_keys,
    batches,
    chat,
    classify,
    completions,
    description,
    embeddings,
    explain,
    feedback,
    files,
    health,
    models,
    page,
    predict,
    rerank,
)
from tunesmith.service.services import Services

log = logging.getLogger(__name__)


def make_app(services: Services) -> FastAPI:
    """The service as an ASGI application."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        services.loop = asyncio.get_running_loop()
        await asyncio.to_thread(services.products.load)
        if services.keys is not None:  # their first look waits for the store, which the event loop must not do
            await asyncio.to_thread(services.keys.start)
        services.ready = True
        yield
        services.ready = False
        await asyncio.to_thread(services.products.close)
        await asyncio.to_thread(services.close)

    app = FastAPI(title="Tunesmith", lifespan=life, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = services
    for group in (page, description, predict, chat, completions, classify, embeddings, rerank, explain, models, health):
        app.router.routes.extend(group.routes())
    for router in (admin, admin_keys, feedback, files, batches):
        app.include_router(router.routes())
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(ClientDisconnect, gone)
    for kind in (OperationalError, NoneFree):
        app.add_exception_handler(kind, away)
    app.add_exception_handler(Exception, unexpected)
    app.openapi = lambda: openapi.schema(app, services)  # type: ignore[method-assign]
    return app


async def refused(request: Request, error: Any) -> Response:
    """The client's answer to a refusal."""
    request.app.state.services.counts.refused.labels(error.code).inc()
    note(code=error.code)
    try:
        request_id = request_id_of(request.scope)
    except Refused:  # what is refused may be the id itself
        request_id = ""
    return JSONResponse(error.body(request_id), error.status, error.headers())


async def of_http(request: Request, error: Any) -> Response:
    """No such path, no such method, in the one shape."""
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    made = await refused(
        request, Refused(error.status_code, code, f"{request.method} {request.url.path}: {error.detail}.")
    )
    made.headers.update(error.headers or {})
    return made


async def of_validation(request: Request, error: Any) -> Response:
    """What FastAPI found wrong in a body or a path."""
    return await refused(request, invalid((one["loc"][1:], one["msg"]) for one in error.errors()))


async def gone(request: Request, error: Any) -> Response:
    """Nobody is there to read it; it only keeps a client that leaves from looking like a fault of ours."""
    return Response(status_code=499)


async def away(request: Request, error: Any) -> Response:
    """The store does not answer, or all connections to it wait; the log is not told what was asked of it."""
    why = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
    log.error("%s %s: the store does not answer: %s", request.method, request.url.path, why)
    late = getattr(getattr(error, "orig", None), "sqlstate", "") == "57014"  # PostgreSQL's query_canceled
    message = "The service's store took too long for this." if late else "The service cannot reach its store."
    return await refused(request, Refused(503, "store_unavailable", f"{message} Ask again.", retry_after=2))


async def unexpected(request: Request, error: Exception) -> Response:
    """Our own fault: the log has it, the client is not shown it."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    why = Refused(500, "internal_error", "The service failed on this request. It was written to its log.")
    return await refused(request, why)

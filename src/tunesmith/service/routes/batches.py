"""``/v1/batches``: a product asked about all rows of a file, behind all other work."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from starlette.responses import FileResponse

from tunesmith.service.asking import product_of
from tunesmith.service.jobs.batch import about
from tunesmith.service.jobs.jobs import Jobs, jobs_of
from tunesmith.service.jobs.listed import listed
from tunesmith.service.metering.event import Event
from tunesmith.service.request_id import request_id_of
from tunesmith.service.routes.files import BYTES, answers_of, asked

_ENDPOINT = re.compile(r"/v1/predict/([A-Za-z0-9][A-Za-z0-9._-]{0,63})")
Name = Annotated[str, StringConstraints(max_length=64)]
Value = Annotated[str, StringConstraints(max_length=512)]


class NewBatch(BaseModel):
    """Which product, which file. OpenAI's names are taken, too: ``endpoint`` and ``input_file_id``."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"product": "intents", "file": "file_0123456789abcdef01234567"}]},
    )
    product: str | None = Field(None, max_length=64)
    file: str | None = Field(None, max_length=64)
    columns: dict[Name, Name] = Field({}, max_length=16)
    """Role -> column, where the file's columns are not named as the product reads them: {"text": "review"}."""
    endpoint: str | None = Field(None, max_length=96)
    """/v1/predict/PRODUCT."""
    input_file_id: str | None = Field(None, max_length=64)
    completion_window: str | None = Field(None, max_length=16)
    """Not read: a job is done when there is time."""
    metadata: dict[Name, Value] | None = Field(None, max_length=16)

    @model_validator(mode="after")
    def _one_of_both(self) -> NewBatch:
        if (self.product is None) == (self.endpoint is None) or (self.file is None) == (self.input_file_id is None):
            raise ValueError("give product and file, or endpoint and input_file_id")
        if self.endpoint is not None and not _ENDPOINT.fullmatch(self.endpoint):
            raise ValueError("endpoint is /v1/predict/PRODUCT")
        return self

    def asks(self) -> str:
        """The product's name."""
        return self.product if self.product is not None else str(self.endpoint).rpartition("/")[2]


def routes() -> APIRouter:
    """Make, look, list, cancel, download. Jobs run as long as the application lives."""
    router = APIRouter(prefix="/v1/batches", tags=["batches"], lifespan=_life)

    @router.post("")
    async def make(new: NewBatch, request: Request) -> dict[str, Any]:
        """Ask a product about all rows of an uploaded file."""
        jobs, caller = asked(request)
        product = product_of(request.app.state.services, caller, new.asks())
        file = str(new.file or new.input_file_id)
        id = request_id_of(request.scope)
        asking = (caller, product.name, file, new.columns, new.metadata or {}, id if Event.own(id) else None)
        made = await asyncio.to_thread(jobs.batches.make, *asking)
        jobs.runner.wake()
        return _told(jobs, caller.key, made.id)

    @router.get("")
    async def list_batches(
        request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 20, after: str = ""
    ) -> dict[str, Any]:
        """The key's jobs, the newest first."""
        jobs, caller = asked(request)
        found = await asyncio.to_thread(jobs.batches.all, caller.key)
        return listed([_told(jobs, caller.key, one.id) for one in found], limit, after)

    @router.get("/{id}")
    async def look(id: str, request: Request) -> dict[str, Any]:
        """How far one of them is."""
        jobs, caller = asked(request)
        return _told(jobs, caller.key, id)

    @router.post("/{id}/cancel")
    async def cancel(id: str, request: Request) -> dict[str, Any]:
        """End one of them; what is answered can be downloaded."""
        jobs, caller = asked(request)
        await asyncio.to_thread(jobs.batches.cancel, caller.key, id)
        jobs.runner.wake()
        return _told(jobs, caller.key, id)

    @router.get("/{id}/output", response_class=FileResponse, responses=BYTES)
    async def output(id: str, request: Request) -> FileResponse:
        """The answers of a job that has ended: JSON lines, each the row that was given and its answer."""
        jobs, caller = asked(request)
        return answers_of(jobs, caller, id)

    return router


def _told(jobs: Jobs, key: str, id: str) -> dict[str, Any]:
    batch, path = jobs.batches.find(key, id), jobs.batches.path(key, id)
    cancelling = (path / "cancel").exists()
    return about(batch, cancel=cancelling, keep_days=jobs.settings.keep_days)


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    if not app.state.services.alone:  # there will be no jobs
        yield
        return
    runner = jobs_of(app.state.services).runner
    runner.start()
    try:
        yield
    finally:
        await runner.stop()

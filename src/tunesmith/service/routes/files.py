"""``/v1/files``: what jobs are on, uploaded and downloaded, as OpenAI's client does."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import FileResponse

from tunesmith.service.caller import Caller
from tunesmith.service.jobs.files import about
from tunesmith.service.jobs.jobs import Jobs, jobs_of
from tunesmith.service.jobs.listed import listed
from tunesmith.service.problems import Refused

FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "maxLength": 64, "default": "batch"},
                    },
                }
            }
        },
    }
}
BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}, "description": "The file"}}


def asked(request: Request) -> tuple[Jobs, Caller]:
    """The service's jobs, and who asks; raises Refused."""
    services = request.app.state.services
    caller = services.caller(request)
    services.need_alone("A file or a job on this service's disk")
    return jobs_of(services), caller


def routes() -> APIRouter:
    """Upload, list, look, download, delete."""
    router = APIRouter(prefix="/v1/files", tags=["files"])

    @router.post("", openapi_extra=FORM)
    async def upload(request: Request) -> dict[str, Any]:
        """Upload a data file: CSV, JSON lines, Excel, Parquet ..."""
        jobs, caller = asked(request)  # before the body is read
        name, purpose, data = await _form(request)
        made = await asyncio.to_thread(jobs.files.add, caller.key, name, purpose, data.file)
        return about(made, jobs.settings.keep_days)

    @router.get("")
    async def list_files(
        request: Request, limit: Annotated[int, Query(ge=1, le=100)] = 20, after: str = ""
    ) -> dict[str, Any]:
        """The key's files, the newest first."""
        jobs, caller = asked(request)
        found = await asyncio.to_thread(jobs.files.all, caller.key)
        return listed([about(one, jobs.settings.keep_days) for one in found], limit, after)

    @router.get("/{id}")
    async def look(id: str, request: Request) -> dict[str, Any]:
        """One of them."""
        jobs, caller = asked(request)
        return about(jobs.files.find(caller.key, id), jobs.settings.keep_days)

    @router.get("/{id}/content", response_class=FileResponse, responses=BYTES)
    async def content(id: str, request: Request) -> FileResponse:
        """What was uploaded; or a job's answers, by its ``output_file_id``."""
        jobs, caller = asked(request)
        try:
            file = jobs.files.find(caller.key, id)
        except Refused:
            batch = id.replace("file_", "batch_", 1)
            return answers_of(jobs, caller, batch) if batch != id else _nothing(id)
        path = jobs.files.path(caller.key, id) / f"data{file.suffix}"
        return FileResponse(path, media_type="application/octet-stream", filename=file.name)

    @router.delete("/{id}")
    async def delete(id: str, request: Request) -> dict[str, Any]:
        """Remove a file. Jobs that were begun on it go on."""
        jobs, caller = asked(request)
        await asyncio.to_thread(jobs.files.delete, caller.key, id)
        return {"id": id, "object": "file", "deleted": True}

    return router


def answers_of(jobs: Jobs, caller: Caller, batch: str) -> FileResponse:
    """A job's answers as a download; raises Refused (404, 409)."""
    path = jobs.batches.output(caller.key, batch)
    return FileResponse(path, media_type="application/x-ndjson", filename=f"{batch}.jsonl")


def _nothing(id: str) -> FileResponse:
    raise Refused(404, "file_not_found", "There is no such file.", param="id")


async def _form(request: Request) -> tuple[str, str, UploadFile]:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refused(415, "no_form", "Send the file as multipart/form-data, in the field file.", param="file")
    try:
        form = await request.form(max_files=1, max_fields=8, max_part_size=4096)
    except (MultiPartException, ValueError) as error:
        raise Refused(400, "bad_form", f"The form cannot be read: {error}.") from error
    file, purpose = form.get("file"), form.get("purpose", "batch")
    if not isinstance(file, UploadFile):
        raise Refused(422, "no_file", "The form has no file in the field file.", param="file")
    return file.filename or "", purpose if isinstance(purpose, str) else "batch", file

"""``POST /v1/feedback``: what would have been right, by the id of the request."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tunesmith.bundle.layout import finite
from tunesmith.service.answers import Answers
from tunesmith.service.problems import Refused
from tunesmith.service.services import Services

LONGEST = 64_000
"""Bytes of a right answer."""


class Feedback(BaseModel):
    """The right answer to a row of a request."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"request_id": "req_0123456789abcdef01234567", "right": "refund"}]},
    )
    request_id: Annotated[str, Field(pattern=r"^[!-~]{1,128}$")]
    """Of the answer: ``request_id`` in its body, ``x-request-id`` in its head."""
    row: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Of a request of several rows, from 0."""
    right: Any
    """As the product would have answered it: a label, labels, a number, a text, spans ..."""
    comment: Annotated[str, Field(max_length=4_000)] = ""

    @field_validator("right")
    @classmethod
    def _some(cls, value: Any) -> Any:
        try:
            long = len(orjson.dumps(value)) > LONGEST
        except (
            TypeError
        ) as error:  # half a surrogate pair, a number of a hundred digits, a thousand lists in each other
            raise ValueError(f"cannot be written as JSON: {error}") from error
        if value is None or long:
            raise ValueError(f"an answer of at most {LONGEST:,} bytes")
        return finite(value)

    @field_validator("comment")
    @classmethod
    def _without_nul(cls, value: str) -> str:
        return value.replace("\0", "")  # PostgreSQL has no text with it


class Noted(BaseModel):
    """What was noted."""

    request_id: str
    row: int
    product: str
    version: str
    predicted: Any


def routes() -> APIRouter:
    """The endpoint."""
    router = APIRouter(tags=["feedback"])

    @router.post("/v1/feedback", status_code=201)
    async def feedback(said: Feedback, request: Request) -> Noted:
        """Say what would have been right about an answer that this key was given."""
        services: Services = request.app.state.services
        caller = services.caller(request)
        answers: Answers | None = services.answers
        if answers is None:
            raise Refused(404, "no_feedback", "This service remembers no answers.")
        # Another key's request is found as little as one that never was: the answer tells nothing about it.
        about = await asyncio.to_thread(answers.find, caller.key, said.request_id)
        if about is None:
            raise Refused(
                404,
                "unknown_request",
                "This key was given no answer with that id, or it is too old, or its product takes no feedback.",
                param="request_id",
            )
        if said.row >= len(about.predictions):
            raise Refused(422, "no_such_row", f"That request had {len(about.predictions)} rows.", param="row")
        policy = services.guard(about.product).policy
        await asyncio.to_thread(answers.right, about, said.row, said.right, said.comment, policy)
        return Noted(
            request_id=about.request, row=said.row, product=about.product, version=about.version,
            predicted=about.predictions[said.row],
        )  # fmt: skip

    return router

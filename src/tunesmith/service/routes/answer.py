"""How an endpoint answers: JSON, and what is left of the plan."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from starlette.responses import Response

from tunesmith.service.caller import Caller
from tunesmith.service.services import Services

R = TypeVar("R", bound=Response)


def json_response(told: Any) -> Response:
    """JSON; orjson writes a number that is not finite as null."""
    return Response(orjson.dumps(told, default=str, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


async def with_limits(services: Services, caller: Caller, made: R) -> R:
    """The answer with ``x-ratelimit-*``."""
    if services.allowance is not None:
        made.headers.update(await services.allowance.headers(caller))
    return made


async def answer(services: Services, caller: Caller, told: Any) -> Response:
    """What a product answered."""
    return await with_limits(services, caller, json_response(told))

"""``POST /v1/predict/{product}``: a row, or rows, in the product's own schema."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tunesmith.service.asking import ask, product_of
from tunesmith.service.hung_up import unless_gone
from tunesmith.service.problems import Refused, invalid
from tunesmith.service.request_id import request_id_of
from tunesmith.service.routes.answer import answer
from tunesmith.service.services import Services
from tunesmith.service.writing.kinds import writes

ROWS = 1024
"""In one request; more belong into a batch job."""


def routes() -> list[Route]:
    """The endpoint. Not FastAPI's: the schema is the product's, and products come and go."""
    return [Route("/v1/predict/{product}", predict, methods=["POST"])]


async def predict(request: Request) -> Response:
    """``{"text": ...}`` is answered with ``prediction``; ``{"rows": [...]}`` with ``predictions``."""
    services: Services = request.app.state.services
    caller = services.caller(request)
    product = product_of(services, caller, request.path_params["product"])
    rows, single = rows_of(await request.body(), product.stable.request)
    request_id = request_id_of(request.scope)
    asked = ask(services, caller, product.name, rows, request_id)
    # To write takes seconds, so it is worth knowing that nobody waits any more.
    answered = await (unless_gone(request, asked) if writes(product.stable.task) else asked)
    told: dict[str, Any] = {
        "request_id": request_id,
        "product": answered.product,
        "version": answered.version,
        "usage": answered.usage,
    }
    told |= {"prediction": answered.predictions[0]} if single else {"predictions": answered.predictions}
    return await answer(services, caller, told | ({"flags": answered.flags} if answered.flags else {}))


def rows_of(body: bytes, model: type[BaseModel]) -> tuple[list[dict[str, Any]], bool]:
    """Rows of a body, and whether it is a single one.

    Raises:
        Refused: no JSON (400), or not in the schema (422), with every mistake.
    """
    asked = json_object(body)
    single = "rows" not in asked or "rows" in model.model_fields
    given = [asked] if single else asked["rows"]
    if not isinstance(given, list) or not given:
        raise Refused(422, "invalid_rows", '"rows" must be a list of at least one row.', param="rows")
    if len(given) > ROWS:
        raise Refused(413, "too_many_rows", f"{len(given)} rows; at most {ROWS} in a request.", param="rows")
    if not single and len(asked) > 1:
        more = ", ".join(sorted(map(str, asked.keys() - {"rows"})))
        raise Refused(422, "unknown_field", f'Beside "rows" nothing is read; there is: {more}.')
    return [_row(one, i, model, single) for i, one in enumerate(given)], single


def json_object(body: bytes) -> dict[str, Any]:
    """The object that a body is; raises Refused (400)."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, "invalid_json", f"The body is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise Refused(400, "invalid_json", "The body must be a JSON object.")
    return found


def _row(given: Any, index: int, model: type[BaseModel], single: bool) -> dict[str, Any]:
    try:
        row = model.model_validate(given).model_dump(exclude_unset=True)
    except ValidationError as error:
        where = () if single else ("rows", index)
        raise invalid(((*where, *one["loc"]), one["msg"]) for one in error.errors()) from error
    return {role: value for role, value in row.items() if value is not None}

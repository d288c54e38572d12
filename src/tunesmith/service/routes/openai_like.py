"""What the endpoints in OpenAI's shape share: the body's ``model`` is a product, whose task must fit."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request

from tunesmith.service.asking import product_of
from tunesmith.service.caller import Caller
from tunesmith.service.problems import Refused, invalid
from tunesmith.service.products import Product
from tunesmith.service.routes.predict import ROWS
from tunesmith.service.services import Services

Text = Annotated[str, StringConstraints(min_length=1)]
Texts = Text | Annotated[list[Text], Field(min_length=1, max_length=ROWS)]


class Body(BaseModel):
    """What every such body has. Fields that are not known are refused, not ignored."""

    model_config = ConfigDict(extra="forbid")
    model: str = Field(min_length=1, max_length=64, description="The product.")
    user: str | None = Field(None, description="Not read.")


B = TypeVar("B", bound=Body)


async def read(request: Request, kind: type[B]) -> tuple[Services, Caller, Product, B]:
    """Who asks which product what.

    Raises:
        Refused: 400, 401, 404, 422.
    """
    services: Services = request.app.state.services
    caller = services.caller(request)
    try:
        body = kind.model_validate_json(await request.body())
    except ValidationError as error:
        raise invalid((one["loc"], one["msg"]) for one in error.errors()) from error
    return services, caller, product_of(services, caller, body.model), body


def need_task(product: Product, *names: str) -> str:
    """The product's task, which must be one of these."""
    task = product.stable.bundle.manifest.task.name
    if task not in names:
        raise Refused(
            400,
            "wrong_task",
            f"{product.name} does {task}; this endpoint needs {' or '.join(names)}. Ask /v1/predict/{product.name}.",
            param="model",
        )
    return task


def as_list(texts: str | list[str]) -> list[str]:
    """One text as a list of one."""
    return [texts] if isinstance(texts, str) else texts

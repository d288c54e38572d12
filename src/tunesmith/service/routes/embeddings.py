"""``POST /v1/embeddings``, as OpenAI's."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tunesmith.service.asking import ask
from tunesmith.service.problems import Refused
from tunesmith.service.request_id import request_id_of
from tunesmith.service.routes.answer import answer
from tunesmith.service.routes.openai_like import Body, Texts, as_list, need_task, read

if TYPE_CHECKING:
    from tunesmith.core.contracts import Prediction


class EmbeddingsBody(Body):
    """Texts to be embedded."""

    input: Texts
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    prompt: Literal["query", "passage"] | None = None
    """What the texts are, for models that were trained to tell questions from documents."""


def routes() -> list[Route]:
    """The endpoint."""
    return [Route("/v1/embeddings", embeddings, methods=["POST"])]


async def embeddings(request: Request) -> Response:
    """A vector a text, in order."""
    services, caller, product, body = await read(request, EmbeddingsBody)
    need_task(product, "text-embedding")
    rows = [{"text": text, **({"prompt": body.prompt} if body.prompt else {})} for text in as_list(body.input)]

    def fits(predictions: Sequence[Prediction]) -> None:
        need_width(body.dimensions, len(predictions[0]["vector"]))

    answered = await ask(services, caller, product.name, rows, request_id_of(request.scope), fits=fits)
    data = [
        {"object": "embedding", "index": i, "embedding": encoded(one["vector"], body)}
        for i, one in enumerate(answered.predictions)
    ]
    usage = {"prompt_tokens": answered.tokens, "total_tokens": answered.tokens}
    return await answer(services, caller, {"object": "list", "data": data, "model": product.name, "usage": usage})


def need_width(asked: int | None, own: int) -> None:
    """Raise Refused (400) where vectors of another width are asked for than the product has."""
    if asked is not None and asked != own:
        raise Refused(400, "wrong_dimensions", f"The vectors have {own} dimensions.", param="dimensions")


def encoded(vector: list[float], body: EmbeddingsBody) -> Any:
    """As numbers, or as base64 of float32, little-endian, which OpenAI's client asks for."""
    if body.encoding_format == "float":
        return vector
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")

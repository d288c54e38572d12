"""``POST /v1/classify``: labels of texts, as vLLM's."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tunesmith.service.asking import ask
from tunesmith.service.request_id import request_id_of
from tunesmith.service.routes.answer import answer
from tunesmith.service.routes.openai_like import Body, Texts, as_list, need_task, read


class ClassifyBody(Body):
    """Texts to be labelled."""

    input: Texts


def routes() -> list[Route]:
    """The endpoint."""
    return [Route("/v1/classify", classify, methods=["POST"])]


async def classify(request: Request) -> Response:
    """A label and the probabilities of all classes, for each text."""
    services, caller, product, body = await read(request, ClassifyBody)
    need_task(product, "text-classification")
    request_id = request_id_of(request.scope)
    answered = await ask(services, caller, product.name, [{"text": text} for text in as_list(body.input)], request_id)
    data = [
        {
            "index": i,
            "label": one["label"],
            "probs": list(one["scores"].values()),
            "labels": list(one["scores"]),
            "num_classes": len(one["scores"]),
        }
        for i, one in enumerate(answered.predictions)
    ]
    usage = {"prompt_tokens": answered.tokens, "total_tokens": answered.tokens}
    return await answer(
        services, caller, {"id": request_id, "object": "list", "model": product.name, "data": data, "usage": usage}
    )

"""``POST /v1/rerank``: documents by how well they answer a query, as Cohere's and Jina's."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tunesmith.service.asking import ask
from tunesmith.service.products import Product
from tunesmith.service.request_id import request_id_of
from tunesmith.service.routes.answer import answer
from tunesmith.service.routes.openai_like import Body, Text, need_task, read
from tunesmith.service.routes.predict import ROWS


class Document(BaseModel):
    """A document as an object."""

    model_config = ConfigDict(extra="allow")
    text: Text


class RerankBody(Body):
    """A query, and what may answer it."""

    query: Text
    documents: Annotated[list[Text | Document], Field(min_length=1, max_length=ROWS - 1)]
    top_n: int | None = Field(None, gt=0)
    return_documents: bool = False


def routes() -> list[Route]:
    """The endpoint."""
    return [Route("/v1/rerank", rerank, methods=["POST"])]


async def rerank(request: Request) -> Response:
    """The best first. By the cosine of an embedding, or by the value of a regression on pairs."""
    services, caller, product, body = await read(request, RerankBody)
    task = need_task(product, "text-embedding", "text-regression")
    texts = [one if isinstance(one, str) else one.text for one in body.documents]
    pairs = task == "text-regression"
    rows = _paired(body.query, texts) if pairs else _embedded(product, body.query, texts)
    answered = await ask(services, caller, product.name, rows, request_id_of(request.scope))
    if pairs:
        scores = [float(one["value"]) for one in answered.predictions]
    else:
        first, *others = (np.asarray(one["vector"]) for one in answered.predictions)
        scores = [float(first @ other) for other in others]
    best = sorted(range(len(scores)), key=lambda i: -scores[i])[: body.top_n]
    results: list[dict[str, Any]] = [{"index": i, "relevance_score": scores[i]} for i in best]
    if body.return_documents:
        for one in results:
            one["document"] = {"text": texts[one["index"]]}
    usage = {"total_tokens": answered.tokens}
    return await answer(services, caller, {"model": product.name, "results": results, "usage": usage})


def _paired(query: str, texts: list[str]) -> list[dict[str, str]]:
    return [{"text": query, "text_pair": text} for text in texts]


def _embedded(product: Product, query: str, texts: list[str]) -> list[dict[str, str]]:
    """The query once, and each document. Where two texts were scored in training both were queries."""
    state: dict[str, Any] = getattr(product.stable.task, "state", {})
    kind = "query" if state.get("kind") == "scored" else "passage"
    return [{"text": query, "prompt": "query"}, *({"text": text, "prompt": kind} for text in texts)]

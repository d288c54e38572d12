"""``POST /v1/explain``: the answer to a text, and how much each of its words speaks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tunesmith.core.errors import did_you_mean
from tunesmith.service.asking import ask
from tunesmith.service.occlusion import units, weights, without
from tunesmith.service.problems import Refused
from tunesmith.service.products import Product
from tunesmith.service.request_id import request_id_of
from tunesmith.service.routes.answer import answer
from tunesmith.service.routes.openai_like import Body, Text, need_task, read

if TYPE_CHECKING:
    from tunesmith.core.contracts import Prediction


class ExplainBody(Body):
    """A text whose label is to be explained."""

    text: Text
    text_pair: Text | None = None
    """The second text, of a product that reads pairs; it stays whole, and the first one's words are left out."""
    label: str | None = None
    """The label to be explained; absent: the answer's."""


def routes() -> list[Route]:
    """The endpoint."""
    return [Route("/v1/explain", explain, methods=["POST"])]


async def explain(request: Request) -> Response:
    """Costs as many rows as the text has words, and one; the one alone is watched and remembered."""
    services, caller, product, body = await read(request, ExplainBody)
    need_task(product, "text-classification")
    places = units(body.text)
    beside = {} if body.text_pair is None else {"text_pair": body.text_pair}
    rows = [{"text": one, **beside} for one in (body.text, *(without(body.text, place) for place in places))]
    request_id = request_id_of(request.scope)
    known: Iterable[str] = getattr(product.pick(request_id).task, "labels", ())
    if known:  # before a row for each word is computed
        need_label(product, body.label, known)

    def fits(predictions: Sequence[Prediction]) -> None:
        need_label(product, body.label, predictions[0]["scores"])

    answered = await ask(services, caller, product.name, rows, request_id, own=1, fits=fits)
    whole, *others = answered.predictions
    label = whole["label"] if body.label is None else body.label
    found = weights(whole["scores"][label], [one["scores"][label] for one in others])
    words = [
        {"text": body.text[start:end], "start": start, "end": end, "weight": weight}
        for (start, end), weight in zip(places, found, strict=True)
    ]
    told = {"label": label, "score": whole["scores"][label], "words": words, "method": "leave one out"}
    usage = {"tokens": answered.tokens}
    return await answer(services, caller, {"request_id": request_id, "product": product.name, **told, "usage": usage})


def need_label(product: Product, label: str | None, known: Iterable[str]) -> None:
    """Raise Refused (422) where a label is asked for that is not one of the product's."""
    if label is not None and label not in known:
        why = f'{product.name} knows no label "{label}". {did_you_mean(label, known)}'
        raise Refused(422, "no_such_label", why, param="label")

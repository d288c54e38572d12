"""The OpenAPI description: of the endpoints, and of each product by its own schema, with an example that works."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from tunesmith.service.caller import OPEN, Caller
from tunesmith.service.examples import ENGLISH, row_of
from tunesmith.service.products import Product
from tunesmith.service.routes.chat import ChatBody
from tunesmith.service.routes.classify import ClassifyBody
from tunesmith.service.routes.completions import CompletionsBody
from tunesmith.service.routes.embeddings import EmbeddingsBody
from tunesmith.service.routes.explain import ExplainBody
from tunesmith.service.routes.rerank import RerankBody
from tunesmith.service.services import Services
from tunesmith.service.writing.writer import Writer

ANY_WRITER = "*"
LIKE_OPENAI: dict[str, tuple[type[BaseModel], str, tuple[str, ...]]] = {
    "/v1/chat/completions": (ChatBody, "The next answer in a conversation, whole or as it is written", ("dialogue",)),
    "/v1/completions": (CompletionsBody, "How a text goes on, whole or as it is written", (ANY_WRITER,)),
    "/v1/classify": (ClassifyBody, "Labels of texts", ("text-classification",)),
    "/v1/embeddings": (EmbeddingsBody, "Vectors of texts", ("text-embedding",)),
    "/v1/rerank": (RerankBody, "Documents by how well they answer a query", ("text-embedding", "text-regression")),
    "/v1/explain": (ExplainBody, "An answer, and which words speak for it", ("text-classification",)),
}
"""Path -> its body, what it does, and the tasks that it is for."""
STREAMED = ("/v1/chat/completions", "/v1/completions")
MORE: dict[str, Any] = {
    "input": ["Where is my card?", "我的卡在哪里？"],
    "query": "Where is my card?",
    "messages": ENGLISH["messages"],
    "prompt": "A new card",
    "documents": ["Your card is on its way.", "您的卡正在路上。"],
}


def schema(app: FastAPI, services: Services, caller: Caller | None = OPEN) -> dict[str, Any]:
    """As it is now, for this caller: products come and go, and are shown to those who may ask them."""
    shown = [one for one in services.products if one.versions and caller is not None and caller.may(one.name)]
    made = get_openapi(title=app.title, version="1", routes=app.routes)
    parts = made.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    if services.keys is not None:
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"key": []}]
    schemas["Refused"] = _refused()
    for product in shown:
        made["paths"][f"/v1/predict/{product.name}"] = {"post": _predict(product, schemas)}
    for place, (body, summary, tasks) in LIKE_OPENAI.items():
        able = [one for one in shown if _able(one, place, tasks)]
        if able:
            made["paths"][place] = {"post": _like_openai(place, body, summary, able[0].name, schemas)}
    for path in made["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = {
                "description": "Refused",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refused"}}},
            }
            operation["responses"].pop("422", None)
    return made


def _predict(product: Product, schemas: dict[str, Any]) -> dict[str, Any]:
    stable = product.stable
    row, answer = _named(stable.request, schemas), _named(stable.response, schemas)
    some = {"type": "object", "required": ["rows"], "additionalProperties": False}
    some |= {"properties": {"rows": {"type": "array", "items": row, "minItems": 1}}}
    one_row = row_of(stable.task, stable.request)
    told = {
        "request_id": {"type": "string"}, "product": {"type": "string"}, "version": {"type": "string"},
        "usage": {"type": "object", "properties": {"tokens": {"type": "integer"}}},
        "flags": {"type": "array", "items": {"type": "object"}},
        "prediction": answer, "predictions": {"type": "array", "items": answer},
    }  # fmt: skip
    return {
        "tags": ["predict"],
        "summary": product.spec.summary or f"Ask {product.name} ({stable.task.name})",
        "operationId": f"predict_{product.name}",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [row, some]},
                    "examples": {"one row": {"value": one_row}, "rows": {"value": {"rows": [one_row, one_row]}}},
                }
            },
        },
        "responses": {
            "200": {
                "description": "Answers, in order",
                "content": {"application/json": {"schema": {"type": "object", "properties": told}}},
            }
        },
    }


def _like_openai(
    place: str, body: type[BaseModel], summary: str, product: str, schemas: dict[str, Any]
) -> dict[str, Any]:
    required = {name for name, field in body.model_fields.items() if field.is_required()} - {"model"}
    shown = {"model": product, **{name: MORE.get(name, ENGLISH["text"]) for name in sorted(required)}}
    content = {"schema": _named(body, schemas), "example": shown}
    told: dict[str, Any] = {"application/json": {}}
    if place in STREAMED:
        told["text/event-stream"] = {"schema": {"type": "string"}}
    return {
        "tags": ["predict"],
        "summary": summary,
        "operationId": place.removeprefix("/v1/").replace("/", "_"),
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {"200": {"description": "Answers, in order", "content": told}},
    }


def _able(product: Product, place: str, tasks: tuple[str, ...]) -> bool:
    if place in STREAMED and not isinstance(product.stable.engine, Writer):
        return False
    return ANY_WRITER in tasks or product.stable.bundle.manifest.task.name in tasks


def _named(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    """A reference to a pydantic model, whose schema is put beside the others."""
    found = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(found.pop("$defs", {}))
    schemas[model.__name__] = found
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _refused() -> dict[str, Any]:
    text = {"type": "string"}
    told: dict[str, Any] = {name: text for name in ("message", "type", "code", "request_id")}
    told["param"] = {"anyOf": [text, {"type": "null"}]}
    error = {"type": "object", "properties": told, "required": sorted(told)}
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}

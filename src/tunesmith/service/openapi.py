"""The OpenAPI description: of the endpoints, and of each product by its own schema, with an example that works."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from tunesmith.service.products import Product
from tunesmith.service.services import Services

EXAMPLES: dict[str, Any] = {
    "text": "I still have not received my new card, I ordered it two weeks ago.",
    "text_pair": "Where is my card?",
    "question": "Where is the office?",
    "context": "Our office is in Lyon, near the station.",
    "choices": ["in Lyon", "in Paris"],
    "texts": ["Where is my card?", "我的卡在哪里？"],
}
"""By role, for what a schema has no example of."""


def example(model: type[BaseModel]) -> dict[str, Any]:
    """A row that the schema accepts: its own example, or its required fields filled in."""
    schema = model.model_json_schema()
    if given := schema.get("examples"):
        return dict(given[0])
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {name: EXAMPLES.get(name, EXAMPLES["text"]) for name in required or list(model.model_fields)[:1]}


def schema(app: FastAPI, services: Services) -> dict[str, Any]:
    """As it is now: products come and go."""
    made = get_openapi(title=app.title, version="1", routes=app.routes)
    parts = made.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    if services.keys is not None:
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"key": []}]
    schemas["Refused"] = _refused()
    for product in services.products:
        if product.versions:
            made["paths"][f"/v1/predict/{product.name}"] = {"post": _predict(product, schemas)}
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
    one_row = example(stable.request)
    told = {
        "request_id": {"type": "string"}, "product": {"type": "string"}, "version": {"type": "string"},
        "usage": {"type": "object", "properties": {"tokens": {"type": "integer"}}},
        "flags": {"type": "array", "items": {"type": "string"}},
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

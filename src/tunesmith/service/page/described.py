"""A product as the page needs it: what it does, and the fields of its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from tunesmith.core.contracts import Task
from tunesmith.service.examples import row_of
from tunesmith.service.products import Product
from tunesmith.service.writing.writer import Writer

LABELS = 200
"""Of more the page shows how many there are."""
NAMES = {
    "text": ("Text", "文本"),
    "text_pair": ("Second text", "第二段文本"),
    "question": ("Question", "问题"),
    "context": ("Context", "上下文"),
    "choices": ("Choices", "选项"),
    "texts": ("Texts", "文本"),
    "words": ("Words", "词"),
    "predicate": ("Predicate", "谓词"),
    "head": ("Head", "头实体"),
    "tail": ("Tail", "尾实体"),
    "prompt": ("Prompt", "提示"),
    "messages": ("Messages", "消息"),
    "tests": ("Tests", "测试"),
    "user": ("User", "用户"),
    "history": ("Taken so far, the oldest first", "已选物品（从早到晚）"),
    "time": ("Time", "时间"),
    "candidates": ("Only these", "仅限这些"),
}
"""By role, English and Chinese."""


def described(product: Product) -> dict[str, Any]:
    """JSON for the page."""
    stable = product.stable
    state = getattr(stable.task, "state", {})
    labels = [*(state.get("labels") or state.get("roles") or ())]
    return {
        "name": product.name,
        "task": stable.bundle.manifest.task.name,
        "summary": product.spec.summary,
        "version": stable.name,
        "runtime": stable.runtime,
        "max_length": stable.bundle.manifest.max_length,
        "chat": chats(product),
        "labels": [str(label) for label in labels[:LABELS]],
        "label_count": len(labels),
        "fields": _fields(stable.task, stable.request),
        "example": row_of(stable.task, stable.request),
    }


def chats(product: Product) -> bool:
    """Whether ``/v1/chat/completions`` answers for it."""
    return product.stable.bundle.manifest.task.name == "dialogue" and isinstance(product.stable.engine, Writer)


def _fields(task: Task, request: type[BaseModel]) -> list[dict[str, Any]]:
    """The fields of a request; of a task made of tasks those of its parts, each once."""
    found = {one["name"]: one for one in fields(request.model_json_schema())}
    for part in getattr(task, "parts", {}).values():
        found |= {one["name"]: one for one in fields(part.request_model().model_json_schema())}
    found.pop("part", None)
    return sorted(found.values(), key=lambda field: not field["required"])


def fields(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The form's fields, from a request's JSON schema; the required ones first.

    >>> fields({"properties": {"text": {"type": "string"}}, "required": ["text"]})
    [{'name': 'text', 'title': ['Text', '文本'], 'kind': 'text', 'required': True, 'choices': []}]
    """
    required = set(schema.get("required", ()))
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    if not required and properties:
        required = {next(iter(properties))}  # nothing is demanded by itself: the first is what is mostly given
    made = [
        {
            "name": name,
            "title": list(NAMES.get(name, (name, name))),
            "kind": kind(one, schema.get("$defs", {})),
            "required": name in required,
            "choices": _choices(one),
        }
        for name, one in properties.items()
    ]
    return sorted(made, key=lambda field: not field["required"])


def kind(one: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """How a value is entered: "text", "lines", "choice", "number", "yes" or "json"."""
    if "$ref" in one:
        one = definitions.get(str(one["$ref"]).rpartition("/")[2], {})
    options = [part for part in one.get("anyOf", [one]) if part.get("type") != "null"]
    if _choices(one):
        return "choice"
    if any(part.get("type") == "string" for part in options):
        return "text" if len(options) == 1 else "json"
    if len(options) == 1:
        only = options[0]
        if only.get("type") in ("integer", "number"):
            return "number"
        if only.get("type") == "boolean":
            return "yes"
        if only.get("type") == "array" and _reads_text(only.get("items", {})):
            return "lines"
    return "json"


def _reads_text(one: Mapping[str, Any]) -> bool:
    return any(part.get("type") == "string" for part in one.get("anyOf", [one]))


def _choices(one: Mapping[str, Any]) -> list[str]:
    for part in one.get("anyOf", [one]):
        if "enum" in part:
            return [str(value) for value in part["enum"]]
    return []

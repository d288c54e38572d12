"""A row of each product that it can answer: for the contract, the page, and whoever copies from them."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from tunesmith.core.contracts import Task

ENGLISH: dict[str, Any] = {
    "text": "I still have not received my new card, I ordered it two weeks ago.",
    "text_pair": "Where is my card?",
    "question": "Where is the office?",
    "context": "Our office is in Lyon, near the station.",
    "choices": ["in Lyon", "in Paris"],
    "messages": [{"role": "user", "content": "How do I get a new card?"}],
}
"""By role."""
CHINESE: dict[str, Any] = {
    "text": "新卡两周前就申请了，到现在还没有收到。",
    "text_pair": "我的卡在哪里？",
    "question": "办公室在哪里？",
    "context": "我们的办公室在里昂，离车站很近。",
    "choices": ["在里昂", "在巴黎"],
    "messages": [{"role": "user", "content": "怎样申请一张新卡？"}],
}
BY_TASK: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "relation-extraction": (
        {"text": "<e1>Acme</e1> bought <e2>Bolt</e2> last year."},
        {"text": "<e1>甲公司</e1>去年收购了<e2>乙公司</e2>。"},
    ),
    "entities-and-relations": (
        {"text": "Acme bought Bolt last year."},
        {"text": "甲公司去年收购了乙公司。"},
    ),
    "token-classification": (
        {"text": "Ann moved from Lyon to Berlin."},
        {"text": "小安从里昂搬到了柏林。"},
    ),
    "image-token-classification": (
        {"text": "Ann moved from Lyon to Berlin."},
        {"text": "小安从里昂搬到了柏林。"},
    ),
    "code-generation": (
        {"text": "Write a function double(n) that gives twice a number."},
        {"text": "写一个函数 double(n)，返回一个数的两倍。"},
    ),
    "semantic-roles": (
        {"text": "Ann sold the house.", "predicate": "sold"},
        {"text": "小安卖掉了房子。", "predicate": "卖掉"},
    ),
}
"""Of tasks whose rows say more than their fields' names."""
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def row_of(task: Task, model: type[BaseModel]) -> dict[str, Any]:
    """A row in the task's schema, in Chinese where its labels are.

    Args:
        task: as it was restored from its bundle.
        model: its request's schema.
    """
    chinese = bool(_CHINESE.search(str(getattr(task, "state", ""))))
    schema = model.model_json_schema()
    if given := schema.get("examples"):
        return dict(given[0])
    if task.name in BY_TASK:
        return dict(BY_TASK[task.name][chinese])
    words = CHINESE if chinese else ENGLISH
    parts: dict[str, Task] = getattr(task, "parts", {})
    if parts:  # a task made of tasks reads what its parts read
        return row_of(first := next(iter(parts.values())), first.request_model())
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {name: words.get(name, words["text"]) for name in required or list(model.model_fields)[:1]}

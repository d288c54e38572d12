"""A policy's filters on what is asked and on what is written, streamed and not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tunesmith.service.app import make_app
from tunesmith.service.safety.guard import Guard
from tunesmith.service.services import Services

HELLO = [{"role": "user", "content": "How is the room?"}]


def asked(made: Callable[..., Services], action: str, **more: Any) -> tuple[str, str, Any]:
    """(what a client reads of a stream, why it ended, the whole answer's choice)."""
    words = {"name": "words", "words": ["awful thing", "糟透"], "action": action}
    policies = {"careful": {"prompts": [{**words, "name": "asked"}], "outputs": [words]}}
    services = made({"products": {"chat": {"versions": {"1": "parrot"}, "policy": "careful"}}, "policies": policies})
    services.guards["chat"] = Guard(services.catalog.policy("chat"))
    with TestClient(make_app(services), raise_server_exceptions=False) as client:
        body = {"model": "chat", "messages": HELLO, "max_tokens": 90, **more}
        whole = client.post("/v1/chat/completions", json=body)
        text = client.post("/v1/chat/completions", json={**body, "stream": True}).text
    if whole.status_code != 200:
        return text, "", whole.json()
    events = [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]
    choices = [choice for event in events for choice in event["choices"]]
    streamed = "".join(choice["delta"].get("content", "") for choice in choices)
    assert whole.json().get("flags") == events[-1].get("flags")
    return streamed, choices[-1]["finish_reason"], {**whole.json()["choices"][0], "flags": whole.json().get("flags")}


@pytest.mark.parametrize("says", ["It is an awful  thing, really.", "房间糟透了，真的。"])
@pytest.mark.parametrize("action", ["block", "mask", "flag"])
def test_what_is_written(made: Callable[..., Services], parrot: Any, says: str, action: str) -> None:
    parrot.says = says
    streamed, finish, whole = asked(made, action)
    assert whole["message"]["content"] == streamed and whole["finish_reason"] == finish
    if action == "block":
        assert streamed in ("It is an ", "房间") and finish == "content_filter" and len(parrot) == 0
    elif action == "mask":
        assert streamed in ("It is an ************, really.", "房间**了，真的。") and finish == "stop"
    else:
        assert streamed == says and finish == "stop"
    assert [flag["filter"] for flag in whole["flags"] or ()] == ([] if action == "block" else ["words"])


def test_what_is_asked(made: Callable[..., Services], parrot: Any) -> None:
    rude = [{"role": "user", "content": "You awful thing"}]
    text, _, told = asked(made, "block", messages=rude)
    assert told["error"]["code"] == "content_filter" == json.loads(text)["error"]["code"] and not parrot.asked
    asked(made, "mask", messages=rude)
    read = parrot._tokenizer.decode(parrot.asked[-1][0])
    assert "You ***********" in read and "awful" not in read

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tunesmith.bundle.drift.baseline import baseline_of
from tunesmith.bundle.drift.facts import facts
from tunesmith.service.app import make_app
from tunesmith.service.services import Services
from tunesmith.service.watching.alert import Alert
from tunesmith.service.watching.settings import Drift
from tunesmith.service.watching.watch import Watch
from tunesmith.testing.malformed import malformed

HELLO = [{"role": "user", "content": "How is the room?"}]
ZH = [{"role": "system", "content": "你是助手。"}, {"role": "user", "content": "房间怎么样？"}]


def chat(client: TestClient, product: str = "chat", messages: Any = None, **more: Any) -> Any:
    return client.post("/v1/chat/completions", json={"model": product, "messages": messages or HELLO, **more})


def events(answer: Any) -> list[Any]:
    lines = [line for line in answer.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines) and lines[-1] == "data: [DONE]"
    return [json.loads(line[6:]) for line in lines[:-1]]


@pytest.mark.parametrize("messages", [HELLO, ZH])
def test_an_answer(client: TestClient, parrot: Any, talker: Any, messages: Any) -> None:
    parrot.says = "很好。 👍 It is good."
    told = chat(client, messages=messages, max_tokens=100).json()
    prompt = talker.processor.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    written = len(talker.processor(parrot.says, add_special_tokens=False)["input_ids"]) + 1
    (choice,) = told["choices"]
    assert choice["message"] == {"role": "assistant", "content": parrot.says, "refusal": None}
    assert choice["finish_reason"] == "stop" and told["object"] == "chat.completion" and told["model"] == "chat"
    wanted = {"prompt_tokens": len(prompt), "completion_tokens": written, "total_tokens": len(prompt) + written}
    assert told["usage"] == wanted
    assert parrot.asked[0][0] == list(prompt)


def test_a_stream_is_the_same_text_in_pieces(client: TestClient, parrot: Any) -> None:
    parrot.says = "很好。 👩‍👩‍👧 It is good."
    whole = chat(client, max_tokens=100).json()
    answer = chat(client, max_tokens=100, stream=True, stream_options={"include_usage": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, *middle, last, usage = events(answer)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    pieces = [one["choices"][0]["delta"]["content"] for one in middle]
    pieces += [last["choices"][0]["delta"].get("content", "")]
    assert "".join(pieces) == parrot.says == whole["choices"][0]["message"]["content"]
    assert len(pieces) > 5 and "\ufffd" not in "".join(pieces)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == [] and usage["usage"] == whole["usage"] and first["usage"] is None
    assert len({one["id"] for one in (first, *middle, last, usage)}) == 1
    assert "usage" not in events(chat(client, stream=True))[-1]


def test_how_it_is_written_is_what_was_asked(client: TestClient, parrot: Any) -> None:
    chat(client, temperature=0.5, top_p=0.9, max_completion_tokens=3, seed=7, n=2, stop=["x"], presence_penalty=1)
    one, other = (decoding for _, decoding in parrot.asked)
    assert (one.temperature, one.top_p, one.max_new_tokens, one.presence_penalty) == (0.5, 0.9, 3, 1)
    assert (one.seed, other.seed, one.stop) == (7, 8, ("x",))
    chat(client)
    own = parrot.asked[-1][1]
    assert (own.temperature, own.max_new_tokens, own.seed) == (0, 64, 13)  # as the bundle has it
    chat(client, temperature=1)
    assert parrot.asked[-1][1].seed is None


def test_several_texts(client: TestClient) -> None:
    told = chat(client, "real", n=3, temperature=1.5, seed=1, max_tokens=9).json()
    texts = [one["message"]["content"] for one in told["choices"]]
    assert [one["index"] for one in told["choices"]] == [0, 1, 2] and len(set(texts)) == 3
    streamed: dict[int, str] = {}
    for event in events(chat(client, "real", n=3, temperature=1.5, seed=1, max_tokens=9, stream=True)):
        for choice in event["choices"]:
            piece = choice["delta"].get("content", "")
            streamed[choice["index"]] = streamed.get(choice["index"], "") + piece
    assert [streamed[i] for i in range(3)] == texts
    single = chat(client, "real", temperature=1.5, seed=2, max_tokens=9).json()
    assert single["choices"][0]["message"]["content"] == texts[1]  # a seed gives its text, whatever is beside it


def test_it_is_what_predict_says(client: TestClient) -> None:
    told = client.post("/v1/predict/real", json={"messages": HELLO}).json()
    chatted = chat(client, "real").json()
    assert told["prediction"]["text"] == chatted["choices"][0]["message"]["content"]
    assert told["usage"] == {"tokens": chatted["usage"]["total_tokens"], **_two(chatted["usage"])}
    rows = [{"messages": HELLO}, {"messages": ZH}] * 5
    many = client.post("/v1/predict/real", json={"rows": rows}).json()["predictions"]
    assert many == many[:2] * 5 and many[0] == told["prediction"]


def _two(usage: dict[str, int]) -> dict[str, int]:
    return {name: usage[name] for name in ("prompt_tokens", "completion_tokens")}


def test_stop_strings_and_lengths(client: TestClient, parrot: Any) -> None:
    parrot.says = "one two three four"
    told = chat(client, max_tokens=100, stop=" thr").json()["choices"][0]
    assert (told["message"]["content"], told["finish_reason"]) == ("one two", "stop")
    told = chat(client, max_tokens=2).json()
    assert told["choices"][0]["finish_reason"] == "length" and told["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([*HELLO, *HELLO], "wrong order of roles: message 2"),
        ([*HELLO, {"role": "assistant", "content": "a"}], "ends with the user's message"),
        ([{"role": "system", "content": "a"}], "ends with the user's message"),
        ([{"role": "user", "content": " "}], "message 1, of the user, is empty"),
        ([{"role": "user", "content": "word " * 500}], "has .* tokens"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_that_does_not_fit(client: TestClient, messages: Any, said: str, stream: bool) -> None:
    import re

    answer = chat(client, messages=messages, stream=stream)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_messages", "messages")
    assert re.search(said, error["message"]), error


def test_a_template_that_forbids_it_says_why(client: TestClient, talker: Any) -> None:
    before = talker.processor.chat_template
    forbids = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system message, please') }}{% endif %}"
    talker.processor.chat_template = forbids + before
    kept = dict(talker.task.state)
    talker.task.adapt(talker.processor)
    try:
        answer = chat(client, messages=ZH)
    finally:
        talker.processor.chat_template = before
        talker.task.restore(kept)
    assert answer.status_code == 400 and "No system message, please" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_what_is_not_done_is_refused(client: TestClient, more: Any, param: str) -> None:
    answer = chat(client, **more)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("field", ["refusal", "tool_calls", "function_call", "audio", "annotations"])
def test_fields_of_an_answer_come_back_empty_or_not_at_all(client: TestClient, field: str) -> None:
    def told(value: Any) -> Any:
        answer = {"role": "assistant", "content": "It is good.", field: value}
        messages = [{"role": "user", "content": "How?"}, answer, {"role": "user", "content": "And?"}]
        return client.post("/v1/chat/completions", json={"model": "chat", "messages": messages})

    assert [told(value).status_code for value in (None, [], {}, "")] == [200] * 4
    refused = told([{"id": "1"}])
    assert refused.status_code == 422 and refused.json()["error"]["param"] == f"messages.1.{field}"


def test_neutral_values_are_taken(client: TestClient) -> None:
    neutral = {"logprobs": False, "tools": [], "response_format": {"type": "text"}, "top_logprobs": None, "user": "u"}
    parts = [{"role": "user", "content": [{"type": "text", "text": "How is "}, {"type": "text", "text": "it?"}]}]
    assert chat(client, messages=parts, **neutral, presence_penalty=0, frequency_penalty=0.0).status_code == 200


@pytest.mark.parametrize("more", [{"n": 9}, {"temperature": -1}, {"what": 1}, {"max_tokens": 0}, {"stop": [""]}])
def test_what_is_wrong_is_said(client: TestClient, more: Any) -> None:
    answer = chat(client, **more)
    assert answer.status_code == 422 and answer.json()["error"]["param"].startswith(next(iter(more)))


def test_completions_go_on_without_a_template(client: TestClient, parrot: Any, talker: Any) -> None:
    parrot.says = " is good."
    body = {"model": "chat", "prompt": "The room", "max_tokens": 20}
    told = client.post("/v1/completions", json=body).json()
    assert told["choices"] == [{"index": 0, "text": " is good.", "logprobs": None, "finish_reason": "stop"}]
    assert told["object"] == "text_completion" and parrot.asked[-1][0] == talker.processor("The room")["input_ids"]
    answer = client.post("/v1/completions", json={**body, "prompt": ["The room", "房间"], "n": 2, "stream": True})
    texts: dict[int, str] = {}
    for event in events(answer):
        (choice,) = event["choices"]
        texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
    assert texts == dict.fromkeys(range(4), " is good.")
    drawn = {**body, "prompt": ["The room", "房间"], "n": 2, "temperature": 1, "seed": 5}
    client.post("/v1/completions", json=drawn)
    assert sorted(how.seed for _, how in parrot.asked[-4:]) == [5, 6, 7, 8], "text i of all has seed + i"


def test_completions_of_token_ids_are_refused(client: TestClient) -> None:
    assert client.post("/v1/completions", json={"model": "chat", "prompt": [1, 2]}).status_code == 422


def test_other_tasks_do_not_chat(client: TestClient, made: Callable[..., Services]) -> None:
    services = made()
    with TestClient(make_app(services)) as other:
        services.products.of("chat").stable.bundle.manifest.task.name = "code-generation"
        assert chat(other).json()["error"]["code"] == "wrong_task"


def test_examples_of_the_description_work(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/predict/chat"):
        shown = described[path]["post"]["requestBody"]["content"]["application/json"]
        for example in [shown["example"]] if "example" in shown else [e["value"] for e in shown["examples"].values()]:
            assert client.post(path, json=example).status_code == 200, (path, example)


def test_malformed_requests_are_refused(client: TestClient) -> None:
    """Made from our own description, of the two endpoints."""
    described = client.get("/openapi.json").json()
    described["paths"] = {name: path for name, path in described["paths"].items() if "completions" in name}
    statuses = set()
    for one in malformed(described, 300):
        headers = {name: value.encode("latin-1") for name, value in one.headers.items()}
        said = client.request(one.method, one.path, content=one.body, headers=headers)
        statuses.add(said.status_code)
        assert said.status_code < 500, (one, said.text[:300])
    assert {200, 400, 422} <= statuses


def test_what_is_asked_is_watched_told_whole_or_as_a_stream(made: Callable[..., Services], monkeypatch: Any) -> None:
    """Prompts of products that write drift like all others; raw completions are none that a bundle was proven on."""
    rows = [facts("", [np.arange(300 + i % 20)], {"text": "x"}, None) for i in range(90)]
    monkeypatch.setattr("tunesmith.service.watching.watch.read_baseline", lambda folder: baseline_of(rows, None))
    services, told = made(), list[Alert]()
    services.watch = Watch(Drift(rows=50, step=10, per_second=1e6), services.counts, told.append)
    with TestClient(make_app(services)) as client:
        for _ in range(20):
            assert chat(client, max_tokens=2, n=2).status_code == 200
            assert chat(client, max_tokens=2, stream=True).status_code == 200
            assert client.post("/v1/completions", json={"model": "chat", "prompt": "It"}).status_code == 200
        services.watch.flush()
        assert services.watch.told("chat", "1") is None  # 40 rows of 50
        for _ in range(10):
            assert client.post("/v1/predict/chat", json={"messages": HELLO}).status_code == 200
        services.watch.flush()
        look = services.watch.told("chat", "1")
    assert look is not None and look.rows == 50 and "length" in look.moved
    assert [alert.name for alert in told] == ["drift"]

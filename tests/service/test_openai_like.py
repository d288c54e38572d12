from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from tunesmith.service.app import make_app
from tunesmith.service.caller import Caller
from tunesmith.service.services import Services


@pytest.fixture
def client(made: Callable[..., Services]) -> Iterator[TestClient]:
    services = made({"products": {"vectors": "vectors", "moods": "moods", "plain": "plain"}})
    with TestClient(make_app(services), raise_server_exceptions=False) as asked:
        yield asked


def test_embeddings(client: TestClient) -> None:
    body = {"model": "vectors", "input": ["cat cat", "狗"]}
    told = client.post("/v1/embeddings", json=body).json()
    assert [one["embedding"] for one in told["data"]] == [[2.0, 0.0], [0.0, 1.0]]
    assert told["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    packed = client.post("/v1/embeddings", json={**body, "encoding_format": "base64"}).json()
    assert np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4").tolist() == [2.0, 0.0]


class Plan:
    """A plan that lets all through, and says what is left."""

    async def admit(self, caller: Caller, product: str) -> None: ...

    async def take_back(self, caller: Caller, product: str) -> None: ...

    async def retried(self, caller: Caller, product: str, tokens: int) -> None: ...

    async def first(self, caller: Caller, question: str) -> bool:
        return True

    async def spend(self, caller: Caller, product: str, tokens: int) -> None: ...

    async def headers(self, caller: Caller) -> dict[str, str]:
        return {"x-ratelimit-remaining-requests": "7"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("predict/plain", {"text": "好"}),
        ("embeddings", {"model": "vectors", "input": "cat"}),
        ("rerank", {"model": "vectors", "query": "cat", "documents": ["狗"]}),
        ("classify", {"model": "moods", "input": "good"}),
        ("explain", {"model": "moods", "text": "good"}),
    ],
)
def test_every_answer_says_what_is_left_of_the_plan(
    made: Callable[..., Services], path: str, body: dict[str, Any]
) -> None:
    services = made({"products": {"vectors": "vectors", "moods": "moods", "plain": "plain"}})
    services.allowance = Plan()
    with TestClient(make_app(services), raise_server_exceptions=False) as asked:
        told = asked.post(f"/v1/{path}", json=body)
    assert told.status_code == 200 and told.headers["x-ratelimit-remaining-requests"] == "7"


def test_the_official_client_works_unchanged(client: TestClient) -> None:
    openai = pytest.importorskip("openai")

    def forward(request: httpx.Request) -> httpx.Response:
        sent = {k: v for k, v in request.headers.items() if k not in ("host", "content-length")}
        found = client.request(request.method, request.url.path, content=request.read(), headers=sent)
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    asked = openai.OpenAI(
        api_key="x",
        base_url="http://t/v1",
        http_client=httpx.Client(transport=httpx.MockTransport(forward)),
        max_retries=0,
    )
    assert asked.embeddings.create(model="vectors", input="a cat").data[0].embedding == [1.0, 0.0]
    assert "moods" in [one.id for one in asked.models.list()]
    with pytest.raises(openai.NotFoundError, match="no product"):
        asked.embeddings.create(model="nothing", input="a")
    with pytest.raises(openai.BadRequestError, match="does text-classification"):
        asked.embeddings.create(model="moods", input="a")


def test_rerank(client: TestClient) -> None:
    documents = ["a dog", "cat cat", {"text": "one cat"}, "狗"]
    body = {"model": "vectors", "query": "cat", "documents": documents, "top_n": 2, "return_documents": True}
    told = client.post("/v1/rerank", json=body).json()
    assert [(one["index"], one["relevance_score"]) for one in told["results"]] == [(1, 2.0), (2, 1.0)]
    assert told["results"][1]["document"] == {"text": "one cat"}


def test_classify(client: TestClient) -> None:
    told = client.post("/v1/classify", json={"model": "moods", "input": ["good good good 好", "坏"]}).json()
    assert [one["label"] for one in told["data"]] == ["good", "bad"]
    assert told["data"][0]["probs"] == [1.0, 0.0] and told["data"][0]["num_classes"] == 2


@pytest.mark.parametrize(("text", "word"), [("the good film", "good"), ("房间很好。", "好")])
def test_explain_finds_the_word(client: TestClient, text: str, word: str) -> None:
    told: dict[str, Any] = client.post("/v1/explain", json={"model": "moods", "text": text, "label": "good"}).json()
    found = {one["text"]: one["weight"] for one in told["words"]}
    assert found.pop(word) == 0.25 and not any(found.values())
    assert all(text[one["start"] : one["end"]] == one["text"] for one in told["words"])


def test_explain_reads_both_texts_of_a_pair(client: TestClient) -> None:
    body = {"model": "moods", "text": "good film", "text_pair": "good good", "label": "good"}
    told = client.post("/v1/explain", json=body).json()
    assert told["score"] == 0.75, "of both texts, as the same row of /v1/predict"
    assert {one["text"]: one["weight"] for one in told["words"]} == {"good": 0.25, "film": 0.0}


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("embeddings", {"model": "vectors", "input": []}, 422, "invalid_request"),
        ("embeddings", {"model": "vectors", "input": [1, 2]}, 422, "invalid_request"),
        ("embeddings", {"model": "vectors", "input": "a", "dimensions": 7}, 400, "wrong_dimensions"),
        ("rerank", {"model": "vectors", "query": "a"}, 422, "invalid_request"),
        ("classify", {"input": "a"}, 422, "invalid_request"),
        ("explain", {"model": "moods", "text": "a", "label": "goood"}, 422, "no_such_label"),
        ("explain", {"model": "vectors", "text": "a"}, 400, "wrong_task"),
    ],
)
def test_what_is_wrong_is_said(client: TestClient, path: str, body: Any, status: int, code: str) -> None:
    answer = client.post(f"/v1/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def test_examples_of_the_description_work(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]
    for path in ("/v1/embeddings", "/v1/rerank", "/v1/classify", "/v1/explain"):
        shown = described[path]["post"]["requestBody"]["content"]["application/json"]["example"]
        assert client.post(path, json=shown).status_code == 200, (path, shown)

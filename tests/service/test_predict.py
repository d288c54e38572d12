from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient


def test_a_row(client: TestClient) -> None:
    told = client.post("/v1/predict/plain", json={"text": "好 good"}).json()
    assert told["prediction"] == {"label": "6", "score": 1.0} and told["usage"] == {"tokens": 6}
    assert told["product"] == "plain" and told["version"] == "1" and told["request_id"].startswith("req_")


def test_rows_in_order(client: TestClient) -> None:
    told = client.post("/v1/predict/plain", json={"rows": [{"text": "a" * n} for n in (3, 30, 1)]}).json()
    assert [one["label"] for one in told["predictions"]] == ["3", "30", "1"]


def test_the_clients_own_id_is_kept(client: TestClient) -> None:
    told = client.post("/v1/predict/plain", json={"text": "a"}, headers={"Idempotency-Key": "order-17"}).json()
    assert told["request_id"] == "order-17"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, "invalid_json", None),
        (b"[]", 400, "invalid_json", None),
        (b"", 400, "invalid_json", None),
        (b'{"text": "\\ud800"}', 400, "invalid_json", None),
        (b"{}", 422, "invalid_request", "text"),
        (b'{"text": ""}', 422, "invalid_request", "text"),
        (b'{"text": 3}', 422, "invalid_request", "text"),
        (b'{"text": "a", "nonsense": 1}', 422, "invalid_request", "nonsense"),
        (b'{"rows": []}', 422, "invalid_rows", "rows"),
        (b'{"rows": "abc"}', 422, "invalid_rows", "rows"),
        (b'{"rows": [{"text": "a"}], "more": 1}', 422, "unknown_field", None),
        (b'{"rows": [{"text": "a"}, {"text": null}]}', 422, "invalid_request", "rows.1.text"),
        (b'{"rows": [{"text": "a"}, 7]}', 422, "invalid_request", "rows.1"),
        (b'{"text": "broken"}', 422, "unreadable_rows", None),
        (b'{"text": "bug"}', 500, "internal_error", None),
    ],
)
def test_what_is_wrong_is_said(client: TestClient, body: bytes, status: int, code: str, param: str | None) -> None:
    answer = client.post("/v1/predict/plain", content=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["message"] and "secret" not in answer.text and "Traceback" not in answer.text


def test_too_many_rows_belong_into_a_job(client: TestClient) -> None:
    assert client.post("/v1/predict/plain", json={"rows": [{"text": "a"}] * 1025}).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/predict/no", 404), ("GET", "/v1/predict/plain", 405), ("GET", "/x", 404)],
)
def test_wrong_doors_have_the_same_shape(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, json={"text": "a"} if method == "POST" else None)
    assert answer.status_code == status and answer.json()["error"]["message"]


@pytest.mark.parametrize("key", ["a b", "", "a" * 129, "req_of_ours"])
def test_a_bad_idempotency_key(client: TestClient, key: str) -> None:
    answer = client.post("/v1/predict/plain", json={"text": "a"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_idempotency_key"


def test_models_and_health(client: TestClient) -> None:
    (one,) = client.get("/v1/models").json()["data"]
    assert one["id"] == "plain" and one["object"] == "model" and one["task"] == "text-classification"
    assert client.get("/v1/models/plain").json() == one and client.get("/v1/models/no").status_code == 404
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_metrics_count_answers_and_refusals(client: TestClient) -> None:
    client.post("/v1/predict/plain", json={"text": "four"})
    client.post("/v1/predict/plain", json={})
    page = client.get("/metrics").text
    assert 'tunesmith_requests_total{product="plain",status="200",version="1"} 1.0' in page
    assert 'tunesmith_tokens_total{product="plain",version="1"} 4.0' in page
    assert 'tunesmith_refused_total{code="invalid_request"} 1.0' in page


def test_the_description_has_an_example_that_works(client: TestClient) -> None:
    from jsonschema import Draft202012Validator

    described: dict[str, Any] = client.get("/openapi.json").json()
    operation = described["paths"]["/v1/predict/plain"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": described["components"]}
    for one in content["examples"].values():
        Draft202012Validator(schema).validate(one["value"])
        assert client.post("/v1/predict/plain", json=one["value"]).status_code == 200

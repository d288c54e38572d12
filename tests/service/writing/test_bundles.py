"""Real bundles whose models write: their answers over HTTP are those of the bundle itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.artefacts import Parity
from tunesmith.service.run import application
from tunesmith.service.settings import checked
from tunesmith.testing import tiny_llama, tiny_t5, toy_rows, toy_talks

TALKS = [*toy_talks("en", 40), *toy_talks("zh", 40)]
WORDS = {"positive": "great", "negative": "awful", "积极": "很好", "消极": "很差"}
PAIRS = [{"text": r["text"], "target": WORDS[r["label"]]} for language in ("en", "zh") for r in toy_rows(language, 40)]
ASKED = [{"messages": row["messages"][:1]} for row in (*TALKS[:6], *TALKS[40:46])]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bundle]]:
    from tunesmith.cli import main

    place = tmp_path_factory.mktemp("writing")
    said = [f"<|{m['role']}|>\n{m['content']}" for row in TALKS for m in row["messages"]]
    llama = tiny_llama(place / "llama", texts=said)
    t5 = tiny_t5(place / "t5", texts=[text for row in PAIRS for text in row.values()])
    (place / "talks.jsonl").write_text("\n".join(json.dumps(row) for row in TALKS), "utf-8")
    (place / "pairs.jsonl").write_text("\n".join(json.dumps(row) for row in PAIRS), "utf-8")
    kinds = {
        "chat": [str(place / "talks.jsonl"), "task.max_new_tokens=10", f"model={llama}"],
        "beams": [str(place / "talks.jsonl"), "task.max_new_tokens=6", "task.beams=2", f"model={llama}"],
        "sums": [str(place / "pairs.jsonl"), "task=summarization", "task.max_new_tokens=6", f"model={t5}"],
    }
    quick = ["method=full", "evaluation.baselines=false", "evaluation.resamples=100", "training.epochs=2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESMITH_CACHE", str(place / "cache"))
        proven = Parity("save and reload", 1, 0.0, 1.0, 1e-4, True)
        patch.setattr("tunesmith.pipeline.save.prove_reload", lambda *_, **__: proven)
        for name, words in kinds.items():
            assert main(["tune", *words, *quick, "training.learning_rate=0.01", f"bundle={place / name}"]) == 0
        yield {name: read_bundle(place / name) for name in kinds}


@pytest.fixture(scope="module")
def client(bundles: dict[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("served")
    products = {name: str(bundle.path) for name, bundle in bundles.items()}
    catalog = checked({"products": products, "server": {"folder": str(folder)}, "writing": {"together": 4}}, "c")
    with TestClient(application(catalog)) as asked:  # type: ignore[arg-type]
        yield asked


def predictions(client: TestClient, product: str, rows: list[Any]) -> Any:
    answer = client.post(f"/v1/predict/{product}", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("product", ["chat", "beams"])
def test_predict_says_what_the_bundle_says(client: TestClient, bundles: dict[str, Bundle], product: str) -> None:
    told = predictions(client, product, ASKED)
    wanted = bundles[product].predict(ASKED)
    assert told["predictions"] == wanted
    assert told["usage"]["completion_tokens"] == sum(one["tokens"] for one in wanted)


def test_chat_says_what_predict_says(client: TestClient, bundles: dict[str, Bundle]) -> None:
    for row, wanted in zip(ASKED, bundles["chat"].predict(ASKED), strict=True):
        told = client.post("/v1/chat/completions", json={"model": "chat", **row}).json()
        (choice,) = told["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == (wanted["text"], wanted["finish"])
        assert told["usage"]["completion_tokens"] == wanted["tokens"]


def test_text_to_text_is_predicted_and_its_words_are_counted(client: TestClient, bundles: dict[str, Bundle]) -> None:
    rows = [{"text": row["text"]} for row in (*PAIRS[:5], *PAIRS[40:45])]
    told = predictions(client, "sums", rows)
    assert told["predictions"] == bundles["sums"].predict(rows)
    written = sum(one["tokens"] for one in told["predictions"])
    assert told["usage"]["completion_tokens"] == written > 0
    assert told["usage"]["tokens"] == written + told["usage"]["prompt_tokens"]


@pytest.mark.parametrize("product", ["beams", "sums"])
def test_what_is_not_written_token_by_token_does_not_chat(client: TestClient, product: str) -> None:
    for path in ("chat/completions", "completions"):
        body = {"model": product, "messages": ASKED[0]["messages"]} if "chat" in path else {}
        answer = client.post(f"/v1/{path}", json=body or {"model": product, "prompt": "a"})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "wrong_task")
        assert f"/v1/predict/{product}" in error["message"]


def test_the_page_and_the_description_know_what_chats(client: TestClient) -> None:
    found = {one["name"]: one["chat"] for one in client.get("/page/products").json()["products"]}
    assert found == {"chat": True, "beams": False, "sums": False}
    described = client.get("/openapi.json").json()["paths"]["/v1/chat/completions"]["post"]
    assert described["requestBody"]["content"]["application/json"]["example"]["model"] == "chat"


def test_a_model_that_cannot_be_asked_step_by_step_still_predicts(
    bundles: dict[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.models.decoder import proof

    monkeypatch.setitem(proof.TOLERANCE, "fp32", -1.0)
    catalog = checked({"products": {"chat": str(bundles["chat"].path)}, "server": {"folder": str(tmp_path)}}, "c")
    with TestClient(application(catalog)) as asked:  # type: ignore[arg-type]
        assert predictions(asked, "chat", ASKED)["predictions"] == bundles["chat"].predict(ASKED)
        assert asked.post("/v1/chat/completions", json={"model": "chat", **ASKED[0]}).status_code == 400


def test_vllm_writes_for_many_clients_and_streams(
    bundles: dict[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over an engine that keeps vLLM's protocol."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "bundle")
    import vllm_protocol

    vllm_protocol.install(monkeypatch)
    vllm_protocol.OPENED.clear()
    product = {"versions": {"1": str(bundles["chat"].path)}, "runtime": "vllm"}
    settings = {"products": {"chat": product}, "server": {"folder": str(tmp_path)}, "writing": {"precision": "fp32"}}
    with TestClient(application(checked(settings, "c"))) as asked:  # type: ignore[arg-type]
        wanted = bundles["chat"].predict(ASKED)
        assert predictions(asked, "chat", ASKED)["predictions"] == wanted
        body = {"model": "chat", **ASKED[-1], "stream": True}
        lines = asked.post("/v1/chat/completions", json=body).text.splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        pieces = [choice["delta"].get("content") or "" for event in events for choice in event["choices"]]
        assert "".join(pieces) == wanted[-1]["text"] and sum(map(bool, pieces)) > 1
        cut = asked.post("/v1/chat/completions", json={**body, "stream": False, "stop": [wanted[-1]["text"][2:4]]})
        (choice,) = cut.json()["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == (wanted[-1]["text"][:2], "stop")
        assert asked.get("/v1/models").json()["data"][0]["runtime"] == "vllm"
    assert [one["dtype"] for one in vllm_protocol.OPENED] == ["float32"]


def test_a_job_on_a_file_of_conversations(client: TestClient, bundles: dict[str, Bundle]) -> None:
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ASKED)
    file = client.post("/v1/files", files={"file": ("asked.jsonl", lines.encode(), "application/jsonl")}).json()
    batch = client.post("/v1/batches", json={"product": "chat", "file": file["id"]}).json()
    end = time.monotonic() + 30
    while (told := client.get(f"/v1/batches/{batch['id']}").json())["status"] != "completed":
        assert time.monotonic() < end and told["status"] != "failed", told
        time.sleep(0.05)
    answers = [json.loads(line) for line in client.get(f"/v1/batches/{batch['id']}/output").text.splitlines()]
    wanted = bundles["chat"].predict(ASKED)
    assert answers == [{**row, **prediction} for row, prediction in zip(ASKED, wanted, strict=True)]
    assert told["usage"]["tokens"] > sum(one["tokens"] for one in wanted)

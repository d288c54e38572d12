from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from tunesmith.service import examples
from tunesmith.service.app import make_app
from tunesmith.service.caller import Caller
from tunesmith.service.page import words
from tunesmith.service.page.described import fields
from tunesmith.service.page.render import asset, page
from tunesmith.service.problems import Refused
from tunesmith.service.services import Services
from tunesmith.tasks.multiple_choice import ChoiceRequest
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.tasks.text_embedding import EmbeddingRequest


def test_both_languages_have_the_same_words_and_the_page_uses_all_of_them() -> None:
    assert words.ENGLISH.keys() == words.CHINESE.keys()
    scripts = asset("page.js") + asset("chat.js")
    used = set(re.findall(r"words\.(\w+)", scripts)) | set(re.findall(r"\$(\w+)", asset("page.html")))
    assert used - {"language", "words_json"} == words.ENGLISH.keys()


@pytest.mark.parametrize("name", ["page.html", "page.css", "page.js", "chat.js"])
def test_nothing_is_asked_of_another_host_and_nothing_is_inline(name: str) -> None:
    text = asset(name).replace("http://www.w3.org/2000/svg", "")
    assert "//cdn" not in text and not re.search(r"https?://", text)
    assert not re.search(r"<script>|style=|\son\w+=|innerHTML|eval\(|document\.write", text)


@pytest.mark.parametrize(
    ("accepted", "chosen", "wanted"),
    [
        ("", "", "en"),
        ("zh-TW,zh;q=0.8", "", "zh"),
        ("en;q=0.3, zh;q=0.4", "", "zh"),
        ("zh", "en", "en"),
        ("x;q=y", "<", "en"),
    ],
)
def test_language(client: TestClient, accepted: str, chosen: str, wanted: str) -> None:
    said = client.get("/", params={"lang": chosen}, headers={"accept-language": accepted})
    assert said.status_code == 200 and f'<html lang="{wanted}">' in said.text
    assert said.headers["content-language"] == wanted and words.WORDS[wanted]["lead"] in said.text


def test_words_cannot_end_the_script_that_holds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(words.WORDS["en"], "lead", "</script><b>")
    page.cache_clear()
    try:
        assert "</script><b>" not in page("en")
    finally:
        page.cache_clear()


class Odd(BaseModel):
    text: str
    number: int = 1
    yes: bool = False
    names: list[str] = []
    way: Literal["a", "b"] | None = None
    place: str | list[int] | None = None
    note: str | None = None
    taken: list[str | int | dict[str, int]] | None = None
    inner: dict[str, int] = Field(default_factory=dict)


def test_fields_of_a_form() -> None:
    found = {one["name"]: one["kind"] for one in fields(Odd.model_json_schema())}
    assert found == {
        "text": "text", "number": "number", "yes": "yes", "names": "lines", "way": "choice", "place": "json",
        "note": "text", "taken": "lines", "inner": "json",
    }  # fmt: skip
    assert [one["name"] for one in fields(ChoiceRequest.model_json_schema()) if one["required"]] == [
        "question",
        "choices",
    ]
    (prompt,) = [one for one in fields(EmbeddingRequest.model_json_schema()) if one["name"] == "prompt"]
    assert prompt["choices"] == ["query", "passage"] and prompt["title"] == ["Prompt", "提示"]


def test_examples_are_in_the_language_of_the_labels() -> None:
    task = TextClassification()
    for labels, wanted in ((["消极", "积极"], examples.CHINESE), (["a", "b"], examples.ENGLISH)):
        task.restore({"labels": labels, "counts": [1, 1]})
        assert examples.row_of(task, task.request_model()) == {"text": wanted["text"]}


def test_products_are_those_of_the_caller(made: Callable[..., Services]) -> None:
    class Ring:
        def start(self) -> None:
            pass

        def find(self, header: str | None) -> Caller:
            if header is None:
                raise Refused(401, "missing_api_key", "no key")
            return Caller("k", products=frozenset({"mine"}))

        def close(self) -> None:
            pass

    services = made({"products": {"mine": "one", "theirs": "two"}})
    services.keys = Ring()  # type: ignore[assignment]
    with TestClient(make_app(services)) as client:
        assert (
            client.get("/").status_code == 200 and "two" not in client.get("/").text.split("<main")[1].split("words")[0]
        )
        assert client.get("/page/products").status_code == 401
        (only,) = client.get("/page/products", headers={"authorization": "k"}).json()["products"]
        assert only["name"] == "mine" and only["fields"][0]["name"] == "text" and only["example"]["text"]

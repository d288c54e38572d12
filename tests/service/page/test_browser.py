"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tunesmith.service.caller import Caller
from tunesmith.service.problems import Refused
from tunesmith.service.services import Services

NASTY = "<img src=x onerror=alert(1)>"


class Ring:
    """One key."""

    def start(self) -> None:
        pass

    def find(self, header: str | None) -> Caller:
        if header != "Bearer ts_right":
            raise Refused(401, "invalid_api_key", "no such key")
        return Caller("k", products=frozenset({"plain"}))

    def close(self) -> None:
        pass


@pytest.fixture
def serve(made: Callable[..., Services], on_a_port: Callable[[Services], str]) -> Callable[..., str]:
    def served(keys: Any = None) -> str:
        services = made(
            {"products": {"plain": {"versions": {"1": "plain"}, "summary": NASTY}, "label": NASTY[:4] + "x"}}
        )
        services.keys = keys
        return on_a_port(services)

    return served


def test_a_newcomer_asks_and_reads_the_answer(serve: Callable[..., str], opened: Callable[..., Any]) -> None:
    page = opened(serve())
    page.fill("[name=text]", "twelve chars")
    page.click("#ask")
    page.wait_for_selector("#answer .big")
    assert page.text_content("#answer .big") == "12" and "1.000" in page.text_content("#answer .bars")
    page.click("#answer .tabs button:nth-child(2)")
    assert '"label": "12"' in page.text_content("#answer pre") and page.is_hidden("#answer .big")
    assert NASTY in page.text_content("#about") and page.query_selector("img") is None


def test_a_refusal_is_shown(serve: Callable[..., str], opened: Callable[..., Any]) -> None:
    page = opened(serve(), allowed="422")
    page.fill("[name=text]", "broken")
    page.click("#ask")
    page.wait_for_selector("#answer .error")
    assert "unreadable_rows" in page.text_content("#answer .error")


def test_chinese_by_the_browser_and_by_the_switch(serve: Callable[..., str], opened: Callable[..., Any]) -> None:
    page = opened(serve(), locale="zh-CN")
    assert page.text_content("#ask") == "提问" and page.text_content("label[for=field-text]").strip() == "文本"
    page.click("#language")
    page.wait_for_selector("html[lang=en]")
    page.wait_for_selector("#ask")
    assert page.text_content("#ask") == "Ask"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_scrolling_sideways(
    serve: Callable[..., str], opened: Callable[..., Any], scheme: str
) -> None:
    page = opened(serve(), width=340, scheme=scheme)
    page.fill("[name=text]", "x" * 300)
    page.click("#ask")
    page.wait_for_selector("#answer .big")
    assert page.evaluate("document.documentElement.scrollWidth") <= 340
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")


@pytest.mark.parametrize("name", ["curl", "Python", "httpx", "openai"])
def test_the_examples_run_as_they_are_copied(serve: Callable[..., str], opened: Callable[..., Any], name: str) -> None:
    if name == "openai":
        pytest.importorskip("openai")
    page = opened(serve(Ring()), allowed="401")
    page.wait_for_selector("#key-form:not([hidden])")
    page.fill("#key", "ts_wrong")
    page.click("#key-form button")
    page.wait_for_selector("text=not accepted")
    page.fill("#key", "ts_right")
    page.click("#key-form button")
    page.wait_for_selector("#ask")
    text = 'it\'s "quoted" \\ 好 $HOME `x`'
    page.fill("[name=text]", text)
    page.click(f"#tabs button:text-is('{name}')")
    code = page.text_content("#code")
    assert "ts_right" not in code
    command = ["bash", "-c", code] if name == "curl" else [sys.executable, "-c", code]
    environment = {**os.environ, "TUNESMITH_KEY": "ts_right", "PYTHONPATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert str(len(text)) in done.stdout, done.stderr


def test_a_key_sees_its_own_products(serve: Callable[..., str], opened: Callable[..., Any]) -> None:
    page = opened(serve(Ring()), allowed="401")
    page.fill("#key", "ts_right")
    page.click("#key-form button")
    page.wait_for_selector("#ask")
    assert page.locator("#products button").count() == 1

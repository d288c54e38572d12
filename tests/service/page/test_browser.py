"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from tunesmith.service.caller import Caller
from tunesmith.service.problems import Refused
from tunesmith.service.run import layers_of
from tunesmith.service.services import Services

NASTY = "<img src=x onerror=alert(1)>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "NOT TESTED HERE: the page in a browser. On Debian: apt-get install chromium; pip install playwright"


class Ring:
    """One key."""

    def find(self, header: str | None) -> Caller:
        if header != "Bearer ts_right":
            raise Refused(401, "invalid_api_key", "no such key")
        return Caller("k", products=frozenset({"plain"}))

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip(MISSING)
    api = pytest.importorskip("playwright.sync_api", reason=MISSING)
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def serve(made: Callable[..., Services]) -> Iterator[Callable[..., str]]:
    stops = []

    def served(keys: Any = None) -> str:
        services = made(
            {"products": {"plain": {"versions": {"1": "plain"}, "summary": NASTY}, "label": NASTY[:4] + "x"}}
        )
        services.keys = keys
        place = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(layers_of(services), log_level="critical"))  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run, args=([place],))
        thread.start()
        stops.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{place.getsockname()[1]}"

    yield served
    for server, thread in stops:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page; at the end nothing may have gone wrong in it, the CSP's refusals among that."""
    wrong: list[str] = []
    contexts = []

    def page_of(
        address: str, locale: str = "en-US", width: int = 1100, scheme: str = "light", allowed: str = "-"
    ) -> Any:
        context = browser.new_context(locale=locale, color_scheme=scheme, viewport={"width": width, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: m.type == "error" and not (allowed and allowed in m.text) and wrong.append(m.text))
        page.on("request", lambda r: r.url.startswith((address, "data:")) or wrong.append(r.url))
        page.goto(address)
        return page

    yield page_of
    for context in contexts:
        context.close()
    assert wrong == []


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

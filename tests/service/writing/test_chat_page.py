"""The page's chat form in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tunesmith.service.services import Services

NASTY = "<img src=x onerror=alert(1)> 很好 👍"


@pytest.fixture
def page(
    made: Callable[..., Services], on_a_port: Callable[[Services], str], opened: Callable[..., Any], parrot: Any
) -> Any:
    parrot.says = "It is good."
    return opened(on_a_port(made()))


def say(page: Any, text: str) -> None:
    page.fill("#said", text)
    page.press("#said", "Enter")


def test_a_newcomer_chats(page: Any, parrot: Any) -> None:
    say(page, "How is the room?")
    page.wait_for_selector("#took:not(:empty)")
    assert page.locator("#talk .assistant").all_text_contents() == ["It is good."]
    assert "tokens/s" in page.text_content("#took")
    parrot.says = NASTY
    say(page, "房间怎么样？")
    page.wait_for_function("document.querySelectorAll('#talk .assistant').length == 2")
    page.wait_for_selector(f"#talk .assistant:has-text('{NASTY[-1]}')")
    assert page.locator("#talk .assistant").all_text_contents()[1] == NASTY and page.query_selector("img") is None
    asked = parrot._tokenizer.decode(parrot.asked[-1][0])
    assert "How is the room?" in asked and "It is good." in asked  # the whole conversation
    page.click("#again")
    assert page.locator("#talk p").count() == 0


def test_a_system_message_and_a_stop(page: Any, parrot: Any) -> None:
    parrot.says, parrot.pause = "word " * 60, 0.05
    page.click("summary:text-is('System message')")
    page.fill("#system", "Be kind.")
    say(page, "hi")
    page.wait_for_selector("#talk .assistant:has-text('word')")
    page.click("#stop")
    page.wait_for_selector("#stop", state="hidden")
    assert 0 < page.text_content("#talk .assistant").count("word") < 12
    page.wait_for_timeout(300)
    assert len(parrot) == 0 and "Be kind." in parrot._tokenizer.decode(parrot.asked[0][0])


@pytest.mark.parametrize("name", ["curl", "httpx", "openai"])
def test_the_examples_run_as_they_are_copied(page: Any, parrot: Any, name: str) -> None:
    if name == "openai":
        pytest.importorskip("openai")
    page.fill("#said", 'it\'s "quoted" \\ 好 $HOME `x`')
    page.click(f"#tabs button:text-is('{name}')")
    code = page.text_content("#code")
    command = ["bash", "-c", code] if name == "curl" else [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, timeout=60)
    found = done.stdout if name != "curl" else done.stdout.replace('"},"logprobs', "")
    assert "good" in found, done.stderr
    assert '"quoted" \\ 好 $HOME `x`' in parrot._tokenizer.decode(parrot.asked[-1][0])


def test_a_refusal_is_shown_and_the_question_kept(
    made: Callable[..., Services], on_a_port: Callable[[Services], str], opened: Callable[..., Any]
) -> None:
    page = opened(on_a_port(made()), allowed="400")
    say(page, "word " * 400)
    page.wait_for_selector("#wrong:not([hidden])")
    assert "invalid_messages" in page.text_content("#wrong") and page.input_value("#said").startswith("word")
    assert page.locator("#talk p").count() == 0


def test_a_phone_needs_no_scrolling_sideways(
    made: Callable[..., Services], on_a_port: Callable[[Services], str], opened: Callable[..., Any], parrot: Any
) -> None:
    parrot.says = "x" * 90
    page = opened(on_a_port(made()), width=340, locale="zh-CN")
    assert page.text_content("#ask") == "发送"
    say(page, "y" * 90)
    page.wait_for_selector("#talk .assistant:has-text('x')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 340

from __future__ import annotations

import pytest

from tunesmith.service.safety.redaction import safe, safe_text


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("mail ann@example.com", "ann@"),
        ("手机１３８１２３４５６７８。", "１３８"),
        ("Authorization: Bearer abcdefghijklmnop123", "abcdefghijklmnop123"),
        ("key sk-abcdefghijklmnopqrstuv", "abcdefghijklmnopqrstuv"),
        ("my password: hunter2", "hunter2"),
        ("密码：秘密123", "秘密123"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.abc-def", "eyJzdWIiOiIx"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nxyz", "MIIE"),
    ],
)
def test_taken_out(text: str, gone: str) -> None:
    assert gone in text and gone not in safe_text(text)


@pytest.mark.parametrize(
    "text", ["skateboarding-enthusiasts unite", "房间很好，全角，标点！", "a basic understanding of it"]
)
def test_left_alone(text: str) -> None:
    assert safe_text(text) == text


def test_keys_go_even_where_personal_data_may_stay() -> None:
    value = {"text": ["ann@example.com", "sk-abcdefghijklmnopqrstuv"], "n": 1}
    assert safe(value) == {"text": ["[EMAIL]", "[SECRET]"], "n": 1}
    assert safe(value, personal=False) == {"text": ["ann@example.com", "[SECRET]"], "n": 1}

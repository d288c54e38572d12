"""Personal data: found with its checksum, and replaced."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tunesmith.data.personal import count, find
from tunesmith.data.redact import redact


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to ann.lee+x@mail.example.co.uk now", "email"),
        ("邮箱ann@example.com谢谢", "email"),
        ("打我电话13812345678吧", "phone"),
        ("+86 138-1234-5678", "phone"),
        ("座机 010-62345678", "phone"),
        ("call (555) 123-4567", "phone"),
        ("call +44 20 7946 0958", "phone"),
        ("card 4111 1111 1111 1111 ok", "credit_card"),
        ("card 378282246310005", "credit_card"),
        ("pay to GB82 WEST 1234 5698 7654 32", "iban"),
        ("DE89370400440532013000", "iban"),
        ("from 192.168.10.7 today", "ip_address"),
        ("身份证11010519491231002X。", "chinese_id"),
        ("postgres://bob:secret@db.example.com/x", "url_credentials"),
    ],
)
def test_found(text: str, kind: str) -> None:
    assert [f.kind for f in find(text)] == [kind]
    assert redact(text)[0].count(f"[{kind.upper()}]") == 1
    assert count(pa.chunked_array([[text, "nothing", text]])) == {kind: 2}


@pytest.mark.parametrize(
    "text",
    [
        "card 4111 1111 1111 1112", "version 1.2.3.4", "GB82 WEST 1234 5698 7654 33", "order 20240131123456",
        "110105194912310021", "in 2024-01-31 12:30:00", "价格 12345.67 元", "https://example.com/a@b", 
        "300.400.500.600",        "phone 138123456789012",
    ],
)  # fmt: skip
def test_not_found(text: str) -> None:
    assert find(text) == []
    assert redact(text) == (text, [])

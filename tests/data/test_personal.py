"""Personal data: found with its checksum, and replaced."""

from __future__ import annotations

import time

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
        ("redis://:secret@host:6379", "url_credentials"),
        ("张三-13812345678", "phone"),
        ("13812345678-张三", "phone"),
        ("0086-13812345678", "phone"),
        ("008613812345678", "phone"),
        ("(010)62345678", "phone"),
        ("（010）62345678", "phone"),
        ("座机010 62345678转3", "phone"),
        ("座机01062345678", "phone"),
        ("0755-2345 6789", "phone"),
        ("0755 2345678", "phone"),
        ("+442079460958", "phone"),
        ("+1 5551234567", "phone"),
        ("手机１３８１２３４５６７８", "phone"),
        ("卡号 6228 4804 0256 4890 018", "credit_card"),
        ("card 4111 1111 1111 1111 123", "credit_card"),
        ("user＠qq.com", "email"),
        ("-----ann@example.com", "email"),
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
        "1.13812345678元", "13812345678.50", "Aug 27 13:08:45 +0000 2008", "Aug 27 13:08:45 +1000 2008",
        "+150000 followers", "Chrome/120.0.0.0", "第075523456789号商品", "2024-01-01-13812345678",
        "300.400.500.600",        "phone 138123456789012",
    ],
)  # fmt: skip
def test_not_found(text: str) -> None:
    assert find(text) == []
    assert redact(text) == (text, [])


@pytest.mark.parametrize("between", ["...", "--", "_", "-", " "])
def test_addresses_that_touch_are_all_found(between: str) -> None:
    assert redact(f"a@x.com{between}b@y.com")[0].count("[EMAIL]") == 2


def test_secrets_behind_marks_are_found() -> None:
    for mark in ("1.", "-", "见", "2+"):
        assert redact(f"{mark}https://bob:secret@host/x")[0] == f"{mark}[URL_CREDENTIALS]/x"


def test_many_places_take_time_that_grows_with_their_number() -> None:
    start = time.perf_counter()
    assert len(find("a@b.co " * 20_000)) == 20_000
    assert time.perf_counter() - start < 2, "it was the square: 25 s"


def test_full_width_signs_keep_their_places() -> None:
    assert redact("打１３８１２３４５６７８，谢谢！") == ("打[PHONE]，谢谢！", ["phone"])


def test_long_runs_of_letters_take_time_that_grows_with_their_length() -> None:
    """As of base64; it was the square, 0.75 s."""
    start = time.perf_counter()
    assert find("aB3" * 20000 + " x@y") == find("a." * 30000 + "://") == []
    assert time.perf_counter() - start < 1

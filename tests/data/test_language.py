"""Languages by script and small words."""

from __future__ import annotations

import pytest

from tunesmith.data.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The room was clean and the staff were friendly to us", "en"),
        ("refund not received card", "en"),
        ("房间很干净", "zh"),
        ("iPhone 15 Pro 的屏幕很好 works", "zh"),
        ("部屋はとてもきれいでした", "ja"),
        ("방이 아주 깨끗했어요", "ko"),
        ("Номер был очень чистым", "ru"),
        ("Das Zimmer war sehr sauber und die Leute nett", "de"),
        ("La chambre était très propre et le personnel aimable", "fr"),
        ("La habitación estaba muy limpia y el personal era amable", "es"),
        ("الغرفة نظيفة جدا", "ar"),
        ("12345 !!!", "und"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert language_of([text]) == language


def test_nothing() -> None:
    assert language_of([]) == "und"

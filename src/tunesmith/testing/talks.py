"""Conversations whose answers a tiny model learns in a few epochs, in English and in Chinese."""

from __future__ import annotations

from typing import Any

from tunesmith.testing.toy import toy_rows

_ANSWERS = {"positive": "It is good.", "negative": "It is bad.", "积极": "很好。", "消极": "很差。"}
_AGAIN = {"en": ("Sure?", "Yes."), "zh": ("确定吗？", "是的。")}


def toy_talks(language: str = "en", n: int = 64, seed: int = 13) -> list[dict[str, Any]]:
    """Rows with ``messages``: a sentence, and an answer that says whether it praises; every third goes on.

    Args:
        language: "en" or "zh".
        n: how many rows.
        seed: of the draw.

    Raises:
        ValueError: another language.
    """
    rows = []
    for i, row in enumerate(toy_rows(language, n, seed)):
        said = [row["text"], _ANSWERS[row["label"]], *(_AGAIN[language] if i % 3 == 0 else ())]
        roles = ["user", "assistant"] * (len(said) // 2)
        rows.append({"messages": [{"role": r, "content": text} for r, text in zip(roles, said, strict=True)]})
    return rows

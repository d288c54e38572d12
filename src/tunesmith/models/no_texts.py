"""What stands in a tokenizer's place where no text is read."""

from __future__ import annotations

from typing import Any


class NoTexts:
    """A tokenizer of nothing: it writes no file and knows no token."""

    is_fast = False
    pad_token_id = None
    eos_token_id = None

    def save_pretrained(self, folder: Any) -> None:
        """Nothing is written."""

    def get_vocab(self) -> dict[str, int]:
        """No token."""
        return {}

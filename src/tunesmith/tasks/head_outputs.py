"""A head's logits in a mixture, as the part's own model gives them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def head_outputs(logits: Any) -> Any:
    """``logits`` [rows, classes] or [rows, length, classes], with a question's two outputs a token."""
    return SimpleNamespace(logits=logits, **starts_and_ends(logits))


def starts_and_ends(logits: Any) -> dict[str, Any]:
    """Two logits a token are a question's: its starts and its ends [rows, length], by their names; else nothing."""
    spans = logits.ndim == 3 and logits.shape[-1] == 2
    return {"start_logits": logits[..., 0], "end_logits": logits[..., 1]} if spans else {}

"""How long targets are in tokens, and how much of them a tokenizer knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

UNKNOWN = 0.01
"""Share of a target's tokens that may be unknown without a word."""


def most_tokens(targets: Sequence[str], processor: Any, limit: int) -> tuple[int, str]:
    """Tokens to be written at most: a quarter more than nearly all targets have; and what is odd, in words.

    Args:
        targets: of training rows.
        processor: the tokenizer.
        limit: never more than these.
    """
    found = [processor(list(targets[i : i + 512]))["input_ids"] for i in range(0, len(targets), 512)]
    ids = [np.asarray(one) for part in found for one in part]
    longest = float(np.quantile([len(one) for one in ids], 0.999))
    unknown = processor.unk_token_id
    share = 0.0 if unknown is None else float(np.mean(np.concatenate(ids) == unknown))
    note = (
        f"{share:.0%} of the targets' tokens are unknown to the tokenizer: the model cannot write them. "
        "Take a model whose vocabulary has these characters."
        if share > UNKNOWN
        else ""
    )
    return max(1, min(limit, int(1.25 * longest) + 2)), note

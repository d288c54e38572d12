"""What a model's configuration says of how far it can write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def longest(config: Any) -> int:
    """Tokens that a model may read and write, as far as its attention sees all of them."""
    return min((one for one in (_positions(config), slides_over(config)) if one), default=2048)


def slides_over(config: Any) -> int | None:
    """Tokens that a model's sliding attention sees, where the model itself takes more (Gemma 3's: 512); else None."""
    window, positions = getattr(config, "sliding_window", None), _positions(config)
    return int(window) if window and (positions is None or window < positions) else None


def _positions(config: Any) -> int | None:
    known = (getattr(config, name, None) for name in ("max_position_embeddings", "n_positions"))
    return min((int(one) for one in known if one), default=None)


def only_attention(config: Any) -> bool:
    """Whether all layers keep keys and values of each token; others keep a state that rows cannot be taken from."""
    kinds: Sequence[str] = getattr(config, "layer_types", None) or ()
    return not config.is_encoder_decoder and set(kinds) <= {"full_attention", "sliding_attention"}

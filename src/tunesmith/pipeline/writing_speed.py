"""How long a token takes that a bundle writes: by the decoder that would serve it, prompts read before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tunesmith.compression.latency import ROUNDS, medians
from tunesmith.core.contracts import Decoding
from tunesmith.models.decoder.continuous import Continuous
from tunesmith.pipeline.shrink_sides import Side

TOGETHER = 8
"""Texts at once."""
PROMPT, WRITTEN = 64, 160
"""Tokens that are read before, and written at most while the clock runs."""


def seconds_a_token(sides: Mapping[str, Side], prompts: Sequence[np.ndarray], texts: int) -> dict[str, float]:
    """Seconds a token where so many texts are written at once, in turns.

    Args:
        sides: by name; each computes with a torch model or with a graph that writes.
        prompts: int [length] each; they are begun again where there are fewer than texts.
    """
    room = min(WRITTEN, *(_length(side) for side in sides.values()))
    begins = [np.asarray(prompts[i % len(prompts)])[: min(PROMPT, room // 2)] for i in range(texts)]
    written = room - max(map(len, begins))
    endless = Decoding(max_new_tokens=room, min_new_tokens=room)

    def runner(side: Side) -> Callable[[object], object]:
        decoder = _decoder(side, texts, room + 1)
        begun = [decoder.add(begin.tolist(), endless) for begin in begins]
        while not all(text.ids for text in begun):
            decoder.step()
        return lambda _: decoder.step()

    # Two steps warm up; a step more is left, lest a text ends.
    steps = range(max(1, (written - texts - 3) // ROUNDS))
    found = medians({name: runner(side) for name, side in sides.items()}, steps)
    return {name: seconds / texts for name, seconds in found.items()}


def _decoder(side: Side, rows: int, length: int) -> Continuous:
    runtime: Any = side.runtime
    if hasattr(runtime, "decoder"):
        graph: Continuous = runtime.decoder(rows=rows, length=length)
        return graph
    from tunesmith.models.decoder.decoder import Decoder

    return Decoder(runtime.model, rows=rows, length=length)


def _length(side: Side) -> int:
    runtime: Any = side.runtime
    if hasattr(runtime, "length"):
        return int(runtime.length)
    from tunesmith.models.decoder.limits import longest

    return longest(runtime.model.config)

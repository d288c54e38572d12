"""A shorter text that says what a long one says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tunesmith.tasks.text_to_text import TextToText


class Summarization(TextToText):
    """Summaries, titles, headlines; English and Chinese."""

    name: ClassVar[str] = "summarization"
    summary: ClassVar[str] = "a shorter text that says what a long one says: summaries, titles"
    pipeline_tag: ClassVar[str] = "summarization"
    metrics: ClassVar[tuple[str, ...]] = (
        "rougeL", "rouge1", "rouge2", "perplexity", "length_ratio", "repetition", "distinct_2",
    )  # fmt: skip

    training: ClassVar[Mapping[str, Any]] = {**TextToText.training, "batch_size": 8, "accumulate": 4}
    """As many steps as for short texts: 32 long ones at once take 16 GB."""

    def taught(self) -> str:
        """As T5 was (Raffel et al. 2020, appendix D)."""
        return "summarize: "

"""A text in another language."""

from __future__ import annotations

from typing import ClassVar

from tunesmith.tasks.languages import NAMES
from tunesmith.tasks.text_to_text import TextToText


class Translation(TextToText):
    """Translations, one direction: from ``source_language`` to ``target_language``."""

    name: ClassVar[str] = "translation"
    summary: ClassVar[str] = "a text in another language"
    pipeline_tag: ClassVar[str] = "translation"
    metrics: ClassVar[tuple[str, ...]] = ("bleu", "chrf", "perplexity", "length_ratio", "repetition")

    def taught(self) -> str:
        """As T5 was (Raffel et al. 2020, appendix D); "" where a language has no known name."""
        names = [NAMES.get(str(self.state.get(key))) for key in ("source_language", "target_language")]
        return f"translate {names[0]} to {names[1]}: " if all(names) else ""

"""Write prompts and completions, as trl reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.data.formats.chat import ChatFormat, answer, asked, weight
from tunesmith.data.formats.format import Row, Writing


class PromptCompletionFormat(ChatFormat):
    """``prompt`` and ``completion``; of preferences ``chosen`` and ``rejected``, or ``label`` (desirable or not).

    Texts where every row is one question and its answer; else lists of messages, in all rows alike.
    """

    name: ClassVar[str] = "prompt-completion"
    summary: ClassVar[str] = "prompt and completion, or chosen and rejected, or a label: as trl reads them"

    def __init__(self) -> None:
        self._texts = True

    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """All rows; whether they are texts is seen from all."""
        kept = list(rows)
        self._texts = all(len(asked(row)) == 1 for row in kept)
        super().write(kept, path, writing)

    def weighs(self, row: Row) -> int:
        """Lists of messages are kept as they are, but for the last answer, which stands apart and is learned."""
        return 0 if self._texts else sum(1 for message in asked(row) if weight(message))

    def entry(self, row: Row) -> dict[str, Any]:
        """One prompt and what follows it."""
        messages = asked(row)
        made: dict[str, Any] = {"prompt": messages[0]["content"] if self._texts else messages}
        if row.get("rejected") is not None:
            return {**made, "chosen": self._answer(answer(row) or ""), "rejected": self._answer(row["rejected"])}
        if (last := answer(row)) is not None:
            made["completion"] = self._answer(last)
        return made if row.get("desirable") is None else {**made, "label": bool(row["desirable"])}

    def _answer(self, text: str) -> Any:
        return text if self._texts else [{"role": "assistant", "content": text}]

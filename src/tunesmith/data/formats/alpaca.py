"""Write Alpaca's instructions."""

from __future__ import annotations

from typing import Any, ClassVar

from tunesmith.data.formats.chat import ChatFormat, answer, asked
from tunesmith.data.formats.format import Row


class AlpacaFormat(ChatFormat):
    """``instruction``, ``input`` (empty), ``output``, and where there are such ``system`` and ``history``.

    Of a preference the answers are ``chosen`` and ``rejected``; whether an answer is desirable stands under
    ``kto_tag``.
    """

    name: ClassVar[str] = "alpaca"
    summary: ClassVar[str] = "Alpaca's instruction, input and output; also system and history"

    def entry(self, row: Row) -> dict[str, Any]:
        """One instruction."""
        messages = asked(row)
        system = [m["content"] for m in messages if m["role"] == "system"]
        *before, last = [m["content"] for m in messages if m["role"] != "system"]
        made: dict[str, Any] = {"instruction": last, "input": ""}
        if row.get("rejected") is not None:
            made |= {"chosen": answer(row) or "", "rejected": row["rejected"]}
        elif answer(row) is not None:
            made["output"] = answer(row)
        if row.get("desirable") is not None:
            made["kto_tag"] = bool(row["desirable"])
        if system:
            made["system"] = system[0]
        if before:
            made["history"] = [list(pair) for pair in zip(before[::2], before[1::2], strict=True)]
        return made

    def weighs(self, row: Row) -> int:
        """It has no place for them."""
        return 0

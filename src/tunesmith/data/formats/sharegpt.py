"""Write ShareGPT's conversations."""

from __future__ import annotations

from typing import Any, ClassVar

from tunesmith.data.formats.chat import ChatFormat, answer, asked
from tunesmith.data.formats.format import Row

_FROM = {"system": "system", "user": "human", "assistant": "gpt"}


class ShareGptFormat(ChatFormat):
    """``{"conversations": [{"from", "value"}, ...]}``.

    Of a preference the two answers stand apart, as ``chosen`` and ``rejected``; whether an answer is desirable stands
    under ``kto_tag``.
    """

    name: ClassVar[str] = "sharegpt"
    summary: ClassVar[str] = "ShareGPT's conversations: from and value; preferences as chosen and rejected"

    def entry(self, row: Row) -> dict[str, Any]:
        """One conversation."""
        if row.get("rejected") is None:
            made: dict[str, Any] = {"conversations": [_said(m["role"], m["content"]) for m in row["messages"]]}
            return made if row.get("desirable") is None else {**made, "kto_tag": bool(row["desirable"])}
        return {
            "conversations": [_said(m["role"], m["content"]) for m in asked(row)],
            "chosen": _said("assistant", answer(row) or ""),
            "rejected": _said("assistant", row["rejected"]),
        }


def _said(role: str, content: str) -> dict[str, str]:
    return {"from": _FROM[role], "value": content}

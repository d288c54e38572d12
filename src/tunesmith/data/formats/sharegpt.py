"""Write ShareGPT's conversations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tunesmith.data.formats.chat import ChatFormat, answer, asked, weight
from tunesmith.data.formats.format import Row

_FROM = {"system": "system", "user": "human", "assistant": "gpt"}


class ShareGptFormat(ChatFormat):
    """``{"conversations": [{"from", "value"}, ...]}``.

    Of a preference the two answers stand apart, as ``chosen`` and ``rejected``; whether an answer is desirable stands
    under ``kto_tag``. An answer that is not learned keeps its ``weight`` of 0.
    """

    name: ClassVar[str] = "sharegpt"
    summary: ClassVar[str] = "ShareGPT's conversations: from and value; preferences as chosen and rejected"

    def entry(self, row: Row) -> dict[str, Any]:
        """One conversation."""
        if row.get("rejected") is None:
            made: dict[str, Any] = {"conversations": [_said(m) for m in row["messages"]]}
            return made if row.get("desirable") is None else {**made, "kto_tag": bool(row["desirable"])}
        return {
            "conversations": [_said(m) for m in asked(row)],
            "chosen": {"from": "gpt", "value": answer(row) or ""},
            "rejected": {"from": "gpt", "value": row["rejected"]},
        }


def _said(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"from": _FROM[message["role"]], "value": message["content"], **weight(message)}

"""Write OpenAI's messages."""

from __future__ import annotations

from typing import Any, ClassVar

from tunesmith.data.formats.chat import ChatFormat
from tunesmith.data.formats.format import Row


class MessagesFormat(ChatFormat):
    """``{"messages": [{"role", "content"}, ...]}``; it has no place for preferences."""

    name: ClassVar[str] = "messages"
    summary: ClassVar[str] = "OpenAI's messages: role and content"
    holds: ClassVar[tuple[str, ...]] = ()

    def entry(self, row: Row) -> dict[str, Any]:
        """The messages as they are."""
        return {"messages": list(row["messages"])}

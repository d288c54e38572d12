"""What the formats of conversations share: one object a row, in JSON lines, or in a JSON list for files named .json."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.data.formats.format import Format, Row, Writing, count_left
from tunesmith.data.shapes.messages import Message

_OURS = ("messages", "prompt", "completion", "rejected", "desirable", "extra")


class ChatFormat(Format):
    """An object a conversation; the file's other cells stay beside it."""

    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("messages",),)
    holds: ClassVar[tuple[str, ...]] = ("rejected", "desirable")

    @abstractmethod
    def entry(self, row: Row) -> dict[str, Any]:
        """One row's object."""

    def weighs(self, row: Row) -> int:
        """Of how many of a row's messages it can say that they are not learned: of all here."""
        return sum(1 for message in row["messages"] if weight(message))

    def write(self, rows: Iterable[Row], path: Path, writing: Writing) -> None:
        """All rows, one after the other."""
        listed = path.suffix == ".json"
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write("[\n" if listed else "")
            for row in rows:
                count_left(self, row, writing)
                kept = self.weighs(row)
                if lost := sum(1 for m in row["messages"] if weight(m)) - kept:
                    writing.left[f"weights of 0 are not held by {self.name}: these answers would be learned"] += lost
                made = {**others(row), **self.entry(row)}
                file.write(",\n" if listed and writing.entries else "")
                file.write(json.dumps(made, ensure_ascii=False) + ("" if listed else "\n"))
                writing.entries += 1
            file.write("\n]\n" if listed else "")


def others(row: Row) -> dict[str, Any]:
    """What is none of the conversation's."""
    return {**row.get("extra", {}), **{key: value for key, value in row.items() if key not in _OURS}}


def asked(row: Row) -> list[Message]:
    """All messages before the last answer."""
    messages: list[Message] = list(row["messages"])
    return messages[:-1] if messages and messages[-1]["role"] == "assistant" else messages


def answer(row: Row) -> str | None:
    """The last answer; None where the conversation has none yet."""
    last: Mapping[str, str] = row["messages"][-1]
    return last["content"] if last["role"] == "assistant" else None


def weight(message: Mapping[str, Any]) -> dict[str, int]:
    """Of an answer that is not learned, what says so."""
    return {"weight": 0} if message.get("weight") == 0 else {}

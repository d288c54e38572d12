"""Conversations to learn answers from, in the spellings that files have.

``messages`` (OpenAI), ``conversations`` with from and value (ShareGPT), ``instruction``, ``input`` and ``output``
(Alpaca), ``prompt`` and ``completion``; and with ``chosen`` and ``rejected``, or ``desirable``, what is preferred.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tunesmith.data.shapes.messages import Message, are_messages, as_text, in_order, is_message, messages_of, to_learn
from tunesmith.data.shapes.parsed import parsed, quoted
from tunesmith.data.shapes.shape import Cells, RowProblem, Shape
from tunesmith.data.traits import Traits
from tunesmith.data.words import rank

NAMES: dict[str, tuple[str, ...]] = {
    "messages": ("messages", "conversations", "conversation", "dialogue", "dialog", "chat", "turns", "对话", "消息"),
    "instruction": ("instruction", "instructions", "指令"),
    "input": ("input", "inputs", "输入"),
    "output": ("output", "outputs", "response", "输出", "回复"),
    "system": ("system", "system_prompt", "系统"),
    "history": ("history", "历史"),
    "prompt": ("prompt", "prompts", "提示"),
    "completion": ("completion", "response", "reply", "回复"),
    "chosen": ("chosen", "chosen_response", "preferred"),
    "rejected": ("rejected", "rejected_response", "dispreferred"),
    "desirable": ("desirable", "kto_tag", "label"),
}  # fmt: skip
SPELLINGS = (("messages",), ("instruction", "output"), ("prompt", "completion"), ("chosen", "rejected"))
"""A file has the columns of one of these."""
BESIDE = {
    "messages": ("system", "chosen", "rejected", "desirable"),
    "instruction": ("input", "system", "history", "desirable"),
    "prompt": ("system", "desirable"),
    "chosen": ("messages", "instruction", "input", "system", "history", "prompt"),
}
"""What belongs to a spelling where it is there; other columns of these names say something else."""


class DialogueShape(Shape):
    """Gives ``messages``, and as texts ``prompt`` (all before the last answer) and ``completion`` (that answer).

    Where the file has preferences also ``rejected``, the worse answer; or ``desirable``, whether the answer is good.
    """

    task: ClassVar[str] = "dialogue"
    summary: ClassVar[str] = "conversations: messages, ShareGPT, Alpaca, prompt and completion, preference pairs"
    roles: ClassVar[tuple[str, ...]] = tuple(NAMES)
    target: ClassVar[str] = "messages"
    keeps_text: ClassVar[bool] = True
    doubtful: ClassVar[Mapping[str, str]] = {"desirable": "label"}

    def __init__(self) -> None:
        self._cut = 0

    def guess(self, found: Mapping[str, Traits], samples: Mapping[str, list[Any]], why: list[str]) -> dict[str, Any]:
        """By names, where the cells hold messages or texts."""
        for spelling in SPELLINGS:
            columns: dict[str, Any] = {}
            for role in (*spelling, *BESIDE[spelling[0]]):
                able = [n for n in found if n not in columns.values() and _able(role, n, NAMES[role], samples)]
                if able:
                    columns[role] = min(able, key=lambda name: rank(name, NAMES[role]) or 0)
            if set(spelling) <= columns.keys():
                kept = _kept(columns)
                why += [f'{role}: "{column}", by its name and what it holds' for role, column in kept.items()]
                return kept
        return {}

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """One row."""
        messages, rejected = _messages(cells, target)
        if target and messages and messages[-1]["role"] == "user" and any(m["role"] == "assistant" for m in messages):
            messages, self._cut = messages[:-1], self._cut + 1
        messages = in_order(messages, answered=target)
        if target:
            messages = to_learn(messages)
        row: dict[str, Any] = {"messages": messages, "prompt": as_text(messages[: -1 if target else None])}
        if target:
            row["completion"] = messages[-1]["content"]
            if rejected is not None:
                row["rejected"] = _other(rejected, row["completion"])
            elif cells.get("desirable") is not None:
                row["desirable"] = _flag(cells["desirable"])
        yield row

    def repaired(self) -> dict[str, int]:
        """Questions without an answer at the end."""
        return {"conversations ended with a question that nobody answers; it was left out": self._cut}


def _able(role: str, name: str, known: tuple[str, ...], samples: Mapping[str, list[Any]]) -> bool:
    if rank(name, known) is None:
        return False
    values = samples.get(name, [])
    if role == "messages":
        return bool(values) and all(are_messages(value) for value in values)
    if role == "desirable":
        return bool(values) and all(_is_flag(value) for value in values)
    if role == "history":
        return True
    return all(isinstance(value, str) or is_message(parsed(value)) or are_messages(value) for value in values)


def _kept(columns: dict[str, Any]) -> dict[str, Any]:
    """Without a preference's one side where the other is missing."""
    alone = {"chosen"} if "rejected" not in columns else set()
    if "chosen" not in columns and "messages" not in columns:
        alone.add("rejected")
    return {role: column for role, column in columns.items() if role not in alone}


def _messages(cells: Cells, target: bool) -> tuple[list[Message], Any]:
    """A row's messages, and the worse answer where there is one.

    JSON text is read as messages where nothing else can be meant; in what is asked or answered it is a text.
    """
    found: list[Message] = []
    if _whole(cells):
        found = messages_of(cells["chosen"], "assistant", read=True)
        other = cells.get("rejected")
        return _with_system(found, cells), parsed(other) if are_messages(other) else other
    if _given(cells, "messages"):
        found = messages_of(cells["messages"], "user", read=True)
    elif _given(cells, "prompt"):
        found = messages_of(cells["prompt"], "user", read=False)
    elif "instruction" in cells:
        found = [*_history(cells.get("history")), {"role": "user", "content": _asked(cells)}]
    found = _with_system(found, cells)
    if target and not (found and found[-1]["role"] == "assistant"):
        last = next((cells[role] for role in ("chosen", "completion", "output") if role in cells), None)
        if isinstance(last, int | float) and not isinstance(last, bool):
            last = str(last)  # a figure that rewards read, where it stands in for an answer
        found = [*found, *([] if last is None else messages_of(last or "", "assistant", read=False))]
    return found, cells.get("rejected")


def _whole(cells: Cells) -> bool:
    """Whether the better answer stands in a whole conversation: what is asked beside it is in there, too.

    JSON text beside a prompt could be an answer like any other; it is a conversation where somebody asks that prompt.
    """
    chosen = cells.get("chosen")
    if _given(cells, "messages") or not are_messages(chosen):
        return False
    beside = [str(cells[role]) for role in ("prompt", "instruction") if _given(cells, role)]
    if not beside:
        return True
    try:
        asked = [one["content"] for one in messages_of(chosen, "assistant", read=True) if one["role"] == "user"]
    except RowProblem:
        return False
    return any(text in asked for text in beside) if isinstance(chosen, str) else bool(asked)


def _with_system(messages: list[Message], cells: Cells) -> list[Message]:
    if not _given(cells, "system") or any(message["role"] == "system" for message in messages):
        return messages
    return [{"role": "system", "content": str(cells["system"])}, *messages]


def _given(cells: Cells, role: str) -> bool:
    return cells.get(role) not in (None, "", [])


def _asked(cells: Cells) -> str:
    parts = [str(cells.get(role) or "") for role in ("instruction", "input")]
    return "\n".join(part for part in parts if part.strip())


def _history(value: Any) -> list[Message]:
    """Alpaca's earlier turns: pairs of a question and its answer."""
    found = parsed(value) or []
    if not isinstance(found, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in found):
        raise RowProblem(f"the history is no list of pairs: {quoted(str(found))}")
    return [
        {"role": role, "content": str(text)}
        for pair in found
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]


def _other(value: Any, chosen: str) -> str:
    messages = messages_of(value, "assistant", read=False)
    text = messages[-1]["content"] if messages and messages[-1]["role"] == "assistant" else ""
    if not text.strip():
        raise RowProblem("the rejected answer is empty")
    if text == chosen:
        raise RowProblem(f"both answers are the same: {quoted(text)}")
    return text


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool) or str(value).strip().lower() in ("true", "false", "1", "0", "1.0", "0.0")


def _flag(value: Any) -> bool:
    if not _is_flag(value):
        raise RowProblem(f"whether the answer is desirable is neither true nor false: {quoted(str(value))}")
    return value if isinstance(value, bool) else str(value).strip().lower() in ("true", "1", "1.0")

"""The messages of a conversation, however a file spells them: role and content, or from and value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tunesmith.data.shapes.parsed import parsed, quoted
from tunesmith.data.shapes.shape import RowProblem

Message = dict[str, Any]
"""``{"role": "system" | "user" | "assistant", "content": ...}``; an answer that is not learned has ``weight`` 0."""

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "用户"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "bing", "bard", "claude", "助手"), "assistant"),
}
"""What files call those who speak -> what we call them."""
WHO, SAID = ("role", "from", "speaker"), ("content", "value", "text")


def is_message(value: Any) -> bool:
    """Whether a value says who speaks and what."""
    return isinstance(value, Mapping) and any(k in value for k in WHO) and any(k in value for k in SAID)


def are_messages(value: Any) -> bool:
    """Whether a value is a list of messages, or JSON text of one."""
    found = parsed(value)
    return isinstance(found, list) and bool(found) and all(is_message(one) for one in found)


def messages_of(value: Any, role: str, *, read: bool) -> list[Message]:
    """A cell as messages: a list of them, one alone, or a text, which is of ``role``.

    Args:
        read: whether JSON text of messages is these messages; else it is a text like any other: people ask for JSON,
            and models answer with it.

    Raises:
        RowProblem: it is none of these, a role is not known, or a content is no text.
    """
    found = parsed(value) if read else value
    if isinstance(value, str) and not (read and (is_message(found) or are_messages(found))):
        return [{"role": role, "content": value}]
    if is_message(found):
        found = [found]
    if not isinstance(found, list):
        raise RowProblem(f"no list of messages: {quoted(str(found))}" if found else "there are no messages")
    return [_message(one, number) for number, one in enumerate(found, 1)]


def in_order(messages: Iterable[Message], *, answered: bool) -> list[Message]:
    """The same messages where they are a conversation: a system message or none, then user and assistant in turns.

    Args:
        answered: whether it must end with an answer; else it ends with the user's, and an answer after that is cut off.

    Raises:
        RowProblem: it is none, or a message is empty.
    """
    found = list(messages)
    if not answered and len(found) > 1 and found[-1]["role"] == "assistant":
        found.pop()
    wanted = "user"
    for number, message in enumerate(found, 1):
        role = message["role"]
        if not message["content"].strip():
            raise RowProblem(f"message {number}, of the {role}, is empty")
        if role == "system" and number == 1:
            continue
        if role != wanted:
            raise RowProblem(f"wrong order of roles: message {number} is of the {role}, not of the {wanted}")
        wanted = "assistant" if role == "user" else "user"
    if answered and wanted == "user" and not any(message["role"] == "user" for message in found):
        raise RowProblem("there is no answer: nobody asks, and nobody answers")
    if answered and wanted == "assistant":
        raise RowProblem(f"there is no answer: it ends with the user's {quoted(found[-1]['content'])}")
    if not answered and wanted == "user":
        raise RowProblem("there is no question: give a message of the user")
    return found


def to_learn(messages: Sequence[Message]) -> list[Message]:
    """A conversation up to the last answer that is to be learned.

    Raises:
        RowProblem: none is.
    """
    answers = [number for number, one in enumerate(messages, 1) if one["role"] == "assistant"]
    wanted = [number for number in answers if messages[number - 1].get("weight") != 0]
    if answers and not wanted:
        raise RowProblem("no answer is to be learned: all have weight 0")
    return list(messages[: wanted[-1] if wanted else None])


def as_text(messages: Iterable[Message]) -> str:
    """A conversation as a person reads it: one message after the other."""
    return "\n".join(message["content"] for message in messages)


def _message(value: Any, number: int) -> Message:
    if not is_message(value):
        raise RowProblem(f"message {number} does not say who speaks and what: {quoted(str(value))}")
    who = next(str(value[key]) for key in WHO if key in value)
    said = next(value[key] for key in SAID if key in value)
    role = ROLES.get(who.strip().lower())
    if role is None:
        raise RowProblem(f'message {number} is of "{who}"; known are {", ".join(ROLES)}')
    made: Message = {"role": role, "content": _content(said, number)}
    if role == "assistant" and value.get("weight") in (0, "0"):
        made["weight"] = 0
    return made


def _content(value: Any, number: int) -> str:
    """A text, or the texts of OpenAI's list of parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    parts: list[Any] = value if isinstance(value, list) else [None]
    if not all(isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in parts):
        raise RowProblem(f"the content of message {number} is no text: {quoted(str(value))}")
    return "".join(part["text"] for part in parts)

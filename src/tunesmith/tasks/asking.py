"""Rows of other shapes as conversations of one question and one answer, so that they are learned as dialogue is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tunesmith.data.shapes.shape import Cells, Shape

Words = Callable[[Mapping[str, Any]], str]
"""A row, as its shape gives it, in words."""

PLAIN = (
    "{% for message in messages %}"
    "{{ message['content'] }}{{ '\\n' if message['role'] == 'user' else eos_token }}"
    "{% endfor %}"
)
"""The chat template of models that have none: question, a new line, answer, the end."""


class Asking(Shape):
    """A shape whose rows are read as a question and, with ``target``, its answer.

    Args:
        shape: of the rows.
        question: what the model is asked about a row.
        answer: what it is to write.
    """

    keeps_text = True

    def __init__(self, shape: Shape, question: Words, answer: Words) -> None:
        self.inner = shape
        self.task, self.roles, self.target = shape.task, shape.roles, shape.target  # type: ignore[misc]
        self._question, self._answer = question, answer

    def guess(self, found: Any, samples: Any, why: list[str]) -> dict[str, Any]:
        """As the shape does."""
        return self.inner.guess(found, samples, why)

    def read(self, cells: Cells, *, target: bool) -> Iterator[dict[str, Any]]:
        """``messages``, and with ``target`` also ``completion``, beside what the shape gives."""
        for row in self.inner.read(cells, target=target):
            messages = [{"role": "user", "content": self._question(row)}]
            made: dict[str, Any] = {**row, "messages": messages}
            if target:
                made["completion"] = self._answer(row)
                messages.append({"role": "assistant", "content": made["completion"]})
            yield made


def with_template(processor: Any) -> Any:
    """The tokenizer, with ``PLAIN`` where it has no chat template."""
    if not processor.chat_template:
        processor.chat_template = PLAIN
    return processor

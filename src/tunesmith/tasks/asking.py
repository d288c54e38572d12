"""Rows of other shapes as conversations of one question and one answer, so that they are learned as dialogue is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tunesmith.core.errors import ModelError
from tunesmith.data.shapes.shape import Cells, Shape

Words = Callable[[Mapping[str, Any]], str]
"""A row, as its shape gives it, in words."""

PLAIN = (
    "{% for message in messages %}"
    "{{ message['content'] }}{{ '\\n' if message['role'] == 'user' else eos_token }}"
    "{% endfor %}"
)
"""The chat template of models that have none: question, a new line, answer, the end."""
SEPARATED = "{% for message in messages %}{{ message['content'] + sep_token }}{% endfor %}"
"""The same for BERT's tokenizers, which read no new lines and have no end: the separator stands for both."""


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
    """The tokenizer, with ``PLAIN`` where it has no chat template; ``SEPARATED`` where no token of it ends a text.

    Raises:
        ModelError: it has nothing that could end an answer.
    """
    if processor.chat_template:
        return processor
    if processor.eos_token is None and processor.sep_token is None:
        raise ModelError(
            "The model's tokenizer has neither a chat template nor a token that ends a text (eos_token), so answers "
            "would never end.",
            "Give a template: task.template=FILE.jinja, or name the token in the model's tokenizer_config.json.",
        )
    processor.chat_template = SEPARATED if processor.eos_token is None else PLAIN
    return processor

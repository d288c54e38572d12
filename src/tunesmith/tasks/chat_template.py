"""The chat template that a model is tuned with: kept with the model, and no other is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tunesmith.core.errors import ModelError
from tunesmith.tasks.conversation import end_of_turn, fingerprint, template_of, unthought


class Template:
    """A tokenizer's chat template.

    Args:
        processor: the tokenizer.
        text: the template.
        thinks: whether thoughts are learned, too: then it does not ask for answers without them.
    """

    def __init__(self, processor: Any, text: str, *, thinks: bool = False) -> None:
        self.processor = processor
        self.text = text
        self.unthought = "" if thinks else unthought(processor)
        """What ends a prompt that asks for an answer without a thought."""
        end = end_of_turn(processor)
        self.ends = tuple(dict.fromkeys(i for i in (end, processor.eos_token_id) if i is not None))
        """Ids that end an answer."""

    @classmethod
    def of(cls, processor: Any, *, thinks: bool = False) -> Template:
        """The tokenizer's.

        Raises:
            ModelError: it has none.
        """
        return cls(processor, template_of(processor), thinks=thinks)

    def state(self) -> dict[str, Any]:
        """What a bundle keeps of it."""
        return {"template": self.text, "template_sha256": fingerprint(self.text), "ends": list(self.ends)}

    def hold(self, state: Mapping[str, Any]) -> None:
        """Refuse to be another one than the model was tuned with.

        Raises:
            ModelError: it is another one.
        """
        kept = state.get("template_sha256")
        if kept is not None and kept != fingerprint(self.text):
            raise ModelError(
                "The tokenizer's chat template is not the one that the model was tuned with: conversations would look "
                "other than it has learned.",
                "Take the tokenizer that came with the model, unchanged; or tune it anew.",
            )

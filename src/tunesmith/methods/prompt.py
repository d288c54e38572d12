"""Trained tokens in front of each text: prompt tuning (Lester et al. 2021)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Method, MethodDefaults, Task

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Prompt(Method):
    """A few new tokens stand in each text; their embeddings are trained, and the head.

    Where the model writes, these tokens are kept apart from it: in its own vocabulary they could be written, too.

    Args:
        length: of the prompt, in tokens; they count among ``model.max_length``.
    """

    name: ClassVar[str] = "prompt"
    summary: ClassVar[str] = "trained tokens in front of each text (Lester et al. 2021)"
    # Lester et al. (3) use 0.3 with Adafactor, which scales by the weights' size; with AdamW that is about 1e-2 for
    # embeddings of size 0.05. Not yet measured by us.
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=1e-2, epochs=10, weight_decay=0.0, head_learning_rate=3e-3
    )

    def __init__(self, length: Annotated[int, Field(ge=1)] = 8) -> None:
        self.length = length
        self._ids: list[int] = []

    def adapt(self, processor: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
        """A tokenizer that puts the prompt in."""
        from tunesmith.methods.prompt_tokens import prompt_ids, with_prompt

        made = with_prompt(processor, self.length)
        self._ids = prompt_ids(made)[-self.length :]
        return made

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Free the prompt's embeddings and the head. Without ``adapt`` before it, the tokens are those after all."""
        from tunesmith.methods.prompt_tokens import put_in
        from tunesmith.models.heads import head_parameters

        written: Any = model
        self.plain = written.get_output_embeddings() is None
        table: Any = model.get_input_embeddings()
        ids = self._ids or list(range(table.num_embeddings, table.num_embeddings + self.length))
        model.requires_grad_(False)
        put_in(model, ids, self._rows(table).to(table.weight.device))
        for parameter in head_parameters(model):
            parameter.requires_grad_(True)
        return model

    def _rows(self, table: nn.Embedding) -> nn.Module:
        """What is trained: it starts as tokens drawn from the vocabulary, which Lester et al. (3.2) found best."""
        import torch

        from tunesmith.methods.prompt_tokens import Rows

        drawn = torch.randint(table.num_embeddings, (self.length,), device=table.weight.device)
        return Rows(table.weight.detach()[drawn])

    def merge(self, model: torch.nn.Module) -> PreTrainedModel:
        """The prompt's embeddings become rows of the model's own table."""
        from tunesmith.methods.prompt_tokens import write_down

        if self.plain:
            write_down(model)
        return model  # type: ignore[return-value]

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """The prompt, for ``restore``; a model that holds it in its vocabulary needs none."""
        from tunesmith.methods.apart import write

        if not self.plain:
            write(model, folder, self.name, base)
        return not self.plain

    def restore(self, model: PreTrainedModel, task: Task, folder: str) -> torch.nn.Module:
        """The prompt in front of a plain base; the tokenizer beside ``folder`` says which tokens it is."""
        from tunesmith.methods.apart import read
        from tunesmith.methods.prompt_tokens import prompt_ids_in

        self._ids = prompt_ids_in(folder)[-self.length :]
        return read(self.apply(model, task), folder)

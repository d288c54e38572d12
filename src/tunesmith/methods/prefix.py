"""Trained keys and values before those of the text, in every layer: prefix tuning (Li & Liang 2021).

Our own: peft's hands them over as a cache, which encoders such as DistilBERT and T5's do not take, which shifts the
positions of BERT's tokens, and which reaches an appended mean layer, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Method, MethodDefaults, Task
from tunesmith.methods.places import named, places_of, unfit

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel


CROSS = ("crossattention", "EncDecAttention", "encoder_attn")
"""Names of attention over another sequence, which gets no prefix."""


class Prefix(Method):
    """``softmax(q [P_k; K]ᵀ) [P_v; V]`` in each layer; ``P_k`` and ``P_v`` are trained, and the head.

    Without the network that Li & Liang draw the prefixes from: it helps on some tasks and hurts on others (P-tuning
    v2, Liu et al. 2022, 3.3), and prefixes that start as the model's own keys and values need none.

    Args:
        length: of the prefix, in tokens.
    """

    name: ClassVar[str] = "prefix"
    summary: ClassVar[str] = "trained keys and values in every layer (Li & Liang 2021; P-tuning v2, Liu et al. 2022)"
    plain = False
    # In the range of P-tuning v2 (5e-3 to 2e-2), far above what suits weights. Not yet measured.
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=1e-2, epochs=8, weight_decay=0.0, head_learning_rate=3e-3
    )

    def __init__(self, length: Annotated[int, Field(ge=1)] = 16) -> None:
        self.length = length

    def fits(self, task: Task, config: PretrainedConfig) -> str | None:
        """Which layers are the attention's must be known."""
        return unfit(self.name, task, config)

    def apply(self, model: PreTrainedModel, task: Task) -> torch.nn.Module:
        """Give every self-attention its prefix; free these and the head.

        Raises:
            RecipeError: the model's layers are not known.
        """
        from tunesmith.methods.prefix_attention import install, made_of, put_before, split
        from tunesmith.models.heads import head_parameters

        places = places_of(model, self.name)
        model.requires_grad_(False)
        keys = [name for name in named(model, [places.keys]) if not any(part in name for part in CROSS)]
        attentions = [name.rpartition(".")[0] for name in keys]
        values = [f"{name}.{places.values.rpartition('.')[2]}" for name in attentions]
        made = made_of(model, _drawn(model, self.length), {*keys, *values})
        for attention, key, value in zip(attentions, keys, values, strict=True):
            put_before(model.get_submodule(attention), *split(made[key], made[value]))
        install(model)
        for parameter in head_parameters(model):
            parameter.requires_grad_(True)
        return model

    def save_adapter(self, model: torch.nn.Module, folder: str, base: str) -> bool:
        """The prefixes and the head, for ``restore``."""
        from tunesmith.methods.apart import write

        write(model, folder, self.name, base)
        return True

    def restore(self, model: PreTrainedModel, task: Task, folder: str) -> torch.nn.Module:
        """The prefixes on a plain base."""
        from tunesmith.methods.apart import read

        return read(self.apply(model, task), folder)


def _drawn(model: Any, length: int) -> torch.Tensor:
    """Ids of tokens from the vocabulary, [1, length]."""
    import torch

    return torch.randint(model.get_input_embeddings().num_embeddings, (1, length), device=model.device)

"""Prompt tokens that a small network makes: P-tuning (Liu et al. 2021); the network is peft's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import MethodDefaults
from tunesmith.core.extras import need
from tunesmith.methods.prompt import Prompt

if TYPE_CHECKING:
    from torch import nn


class PTuning(Prompt):
    """As ``prompt``, with embeddings that a network computes of trained vectors; it is left out once trained.

    Args:
        length: of the prompt, in tokens.
        network: "mlp", or the paper's "lstm".
        hidden: the network's width.
    """

    name: ClassVar[str] = "p_tuning"
    summary: ClassVar[str] = "trained tokens that a small network makes (Liu et al. 2021)"
    # The network's own weights are learned, so the rate of a network. Not yet measured by us.
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=2e-3, epochs=10, weight_decay=0.0, head_learning_rate=3e-3
    )

    def __init__(
        self,
        length: Annotated[int, Field(ge=1)] = 8,
        network: Literal["mlp", "lstm"] = "mlp",
        hidden: Annotated[int, Field(ge=1)] = 128,
    ) -> None:
        super().__init__(length)
        self.network, self.hidden = network, hidden

    def _rows(self, table: nn.Embedding) -> nn.Module:
        import torch
        from torch import nn

        peft = need("peft", extra="train", purpose=f"method={self.name}")
        config = peft.PromptEncoderConfig(
            num_virtual_tokens=self.length,
            token_dim=table.embedding_dim,
            encoder_hidden_size=self.hidden,
            encoder_reparameterization_type=self.network.upper(),
            num_transformer_submodules=1,
        )
        mean, spread = table.weight.detach().mean(0), float(table.weight.detach().std())

        class Made(nn.Module):
            """[length, width], centred on the vocabulary: the network begins with outputs near zero."""

            def __init__(self) -> None:
                super().__init__()
                self.prompt_encoder: Any = peft.PromptEncoder(config)
                self.register_buffer("middle", mean.clone())
                self.register_buffer("numbers", torch.arange(config.num_virtual_tokens), persistent=False)

            def forward(self) -> torch.Tensor:
                made: torch.Tensor = self.middle + 10 * spread * self.prompt_encoder(self.numbers)
                return made

        return Made()

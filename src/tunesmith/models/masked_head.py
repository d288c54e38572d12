"""An encoder's last states, and its masked-language head on some of them only.

The head makes a number for each piece of the vocabulary at each place; of a text one place in seven is asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

HEADS = ("cls", "lm_head", "predictions")
"""What transformers' masked-language models call the head that reads the last states."""


@dataclass
class States:
    """What a head would read.

    Args:
        states: [rows, length, width].
        model: that they are of.
        precision: what it computes in.
    """

    states: torch.Tensor
    model: Any
    precision: torch.dtype

    def at(self, places: torch.Tensor) -> torch.Tensor:
        """What the output layer reads at some places: bool [rows, length] -> [places, width], float32."""
        import torch

        head, decoder = masked_head(self.model), self.model.get_output_embeddings()
        some = self.states[places]
        with torch.autocast(some.device.type, dtype=self.precision, enabled=self.precision != torch.float32):
            decoder.forward = lambda states: states
            try:
                found: torch.Tensor = type(head).forward(head, some)
            finally:
                del decoder.forward
        return found.float()


def masked_head(model: Any) -> Any:
    """The head of a masked-language model; None where it is not one of the known kinds."""
    inner = getattr(model, "module", model)
    if not hasattr(inner, "get_output_embeddings") or inner.get_output_embeddings() is None:
        return None
    return next((getattr(inner, name) for name in HEADS if hasattr(inner, name)), None)


def last_states(model: Any, inputs: Mapping[str, Any]) -> States:
    """The last states of an encoder, its masked-language head left out where it has one."""
    import torch

    seen: list[torch.dtype] = []
    kind = next(iter(model.parameters())).device.type

    def untouched(states: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32)
        return states

    head = masked_head(model)
    if head is None:
        states = model(**inputs).last_hidden_state
        return States(states, model, states.dtype)
    head.forward = untouched
    try:
        states = model(**inputs).logits
    finally:
        del head.forward
    return States(states, getattr(model, "module", model), seen[0])

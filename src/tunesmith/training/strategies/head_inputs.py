"""The vectors that a model's output layer reads: what is pulled together or compared, whatever the model's family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@contextmanager
def head_inputs(model: Any) -> Iterator[list[torch.Tensor]]:
    """Within the block, what each pass gives to the output layer: [rows, width], or [rows, length, width]."""
    from tunesmith.models.heads import output_layer

    found: list[torch.Tensor] = []
    handle = output_layer(model).register_forward_pre_hook(lambda module, inputs: found.append(inputs[0]))
    try:
        yield found
    finally:
        handle.remove()


def of_texts(vectors: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One vector a text, fp32 [rows, width]: of all tokens' vectors, that of the last one, as causal models answer.

    Args:
        vectors: as ``head_inputs`` gives them; a method's own tokens may stand in front.
        mask: 1 where a token is, padded on the right, [rows, length].
    """
    import torch

    if vectors.ndim == 2:
        return vectors.float()
    last = mask.sum(-1) - 1 + vectors.shape[1] - mask.shape[1]
    return vectors[torch.arange(len(vectors), device=vectors.device), last].float()

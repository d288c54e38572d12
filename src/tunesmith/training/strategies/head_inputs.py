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

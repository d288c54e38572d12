"""What computes a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np

    from tunesmith.core.contracts.decoding import Decoding
    from tunesmith.core.contracts.rows import Batch


class Runtime(Protocol):
    """What computes: torch, ONNX Runtime ... Arrays in, arrays out, so that no task knows which."""

    name: ClassVar[str]

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """Outputs by name, ``logits`` among them: [features, ...], float32."""
        ...

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """The ids that were written after each feature's, its end token included where it wrote one: int, [written].

        The batch holds ``input_ids`` and ``attention_mask``; a causal model's prompts are padded on the left. Only
        runtimes of generative models have it.
        """
        ...

    def score(self, batch: Batch) -> list[np.ndarray]:
        """The natural log-probability of each feature's ``labels`` that are not -100: float32, [labels].

        Only runtimes of generative models have it.
        """
        ...

"""Rotations of the backbone's linear layers: orthogonal fine-tuning (Qiu et al. 2023), by peft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import MethodDefaults
from tunesmith.methods.peft_based import PeftMethod, linear_layers, queries_and_values

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Oft(PeftMethod):
    """``W R`` with ``R`` orthogonal, in blocks, by the Cayley transform (their eq. 4): angles between neurons stay.

    Args:
        block: width of a block of ``R``; where a layer's width is not a multiple of it, the nearest that fits.
        targets: "all" linear layers of the backbone, or the attention's "queries-values".
    """

    name: ClassVar[str] = "oft"
    summary: ClassVar[str] = "orthogonal rotations of linear layers (Qiu et al. 2023)"
    # As lora's; not yet measured by us.
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=2e-3, epochs=5, weight_decay=0.0, head_learning_rate=2e-3
    )

    def __init__(
        self, block: Annotated[int, Field(ge=2)] = 32, targets: Literal["all", "queries-values"] = "all"
    ) -> None:
        self.block, self.targets = block, targets

    def config(self, peft: Any, model: PreTrainedModel, **shared: Any) -> Any:
        """``OFTConfig``, with the inverse of the Cayley transform exact: the library's series is not orthogonal."""
        names = linear_layers(model)
        chosen = names if self.targets == "all" else queries_and_values(model, names)
        return peft.OFTConfig(r=0, oft_block_size=self.block, target_modules=chosen, use_cayley_neumann=False, **shared)

"""Scales on keys, values and the feed-forward part: (IA)³ (Liu et al. 2022), by peft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.core.contracts import MethodDefaults
from tunesmith.methods.peft_based import PeftMethod, by_columns
from tunesmith.methods.places import named, places_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Ia3(PeftMethod):
    """``l_k * K``, ``l_v * V`` and ``(l_ff * f(W_1 x)) W_2`` (their eq. 1 and 2); the head is trained whole."""

    name: ClassVar[str] = "ia3"
    summary: ClassVar[str] = "scales on keys, values and the feed-forward part (Liu et al. 2022)"
    # The paper (3.3) uses 3e-3 for 1,000 steps of a large model; fewer weights want more. Not yet measured.
    defaults: ClassVar[MethodDefaults] = MethodDefaults(
        learning_rate=2e-2, epochs=6, weight_decay=0.0, head_learning_rate=3e-3
    )

    def config(self, peft: Any, model: PreTrainedModel, **shared: Any) -> Any:
        """``IA3Config``; on models with one layer for queries, keys and values, all three are scaled."""
        places = places_of(model, self.name)
        narrows = [name for name in named(model, [places.narrows]) if ".attention." not in name]
        keys_and_values = named(model, [places.keys, places.values])
        return peft.IA3Config(
            target_modules=[*keys_and_values, *narrows],
            feedforward_modules=narrows,
            fan_in_fan_out=by_columns(model),
            **shared,
        )

"""Causal language modelling: each token told from those before it in its own document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tunesmith.core.contracts import Batch, Feature
from tunesmith.data.batches import Drawn
from tunesmith.objectives.masking import IGNORED
from tunesmith.objectives.packing import Around
from tunesmith.objectives.shelf import Shelf
from tunesmith.objectives.token_rows import TokenRows, read_by, right_padded
from tunesmith.objectives.written import Written

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class CausalLM(Written):
    """The next token (Radford et al. 2018), documents packed and kept apart.

    A document ends with the model's end token, which is learned; one that is cut at a row's end does not end there.
    """

    name: ClassVar[str] = "causal-lm"
    summary: ClassVar[str] = "each token told from those before it"
    auto_model: ClassVar[str] = "AutoModelForCausalLM"
    pipeline_tag: ClassVar[str] = "text-generation"
    writes: ClassVar[str] = "causal"
    packs: ClassVar[bool] = True
    batch_size: ClassVar[int] = 8
    learning_rate: ClassVar[float] = 5e-5

    def drawn(self, shelf: Shelf, processor: Any, *, max_length: int, seed: int, packed: bool = True) -> Drawn:
        """Rows of documents."""
        end = processor.eos_token_id
        around = Around(np.zeros(0, dtype=np.int64), np.asarray([] if end is None else [end], dtype=np.int64))
        if processor.bos_token_id is not None and list(processor("a")["input_ids"])[0] == processor.bos_token_id:
            around = Around(np.asarray([processor.bos_token_id]), around.after)
        return CausalRows(shelf, around, max_length=max_length, seed=seed, packed=packed and self._positions)

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids``, how they are attended to, and ``labels``: the ids themselves, but for each piece's first."""
        ids = [feature["input_ids"].astype(np.int64) for feature in features]
        batch = read_by(features, ids, processor, first_position=0, positions=self._positions, causal=True)
        return {**batch, "labels": right_padded([feature["target"] for feature in features], IGNORED)}


class CausalRows(TokenRows):
    """Rows with ``target``: the ids, -100 where a piece begins, and where one ends that its document does not."""

    def __getitem__(self, index: Any) -> Any:
        """One row."""
        feature = super().__getitem__(index)
        target = feature["input_ids"].astype(np.int64)
        first = 0
        pieces = self.pieces[self.bounds[index] : self.bounds[index + 1], 1]
        last = self.shelf.ends[np.searchsorted(self.shelf.ends, pieces)] == pieces
        for size, ends in zip(feature["pieces"], last.tolist(), strict=True):
            target[first] = IGNORED
            if not ends and len(self.around.after):
                target[first + size - len(self.around.after) : first + size] = IGNORED
            first += size
        feature["target"] = target
        return feature

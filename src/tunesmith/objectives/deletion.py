"""Random deletion for encoders: tokens are taken out, and where and what must be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field

from tunesmith.core.contracts import Batch, Feature
from tunesmith.objectives.masked_lm import MaskedLM
from tunesmith.objectives.masking import IGNORED
from tunesmith.objectives.token_rows import read_by, right_padded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Deletion(MaskedLM):
    """Tokens are deleted; the place before a gap tells the token that stood there, another place that nothing did.

    BART's token deletion (Lewis et al. 2020, 2.2), for a model without a decoder: as many places without a gap are
    asked about as there are gaps, and the right answer there is the token that ends a text.

    Args:
        ratio: share of tokens that is deleted.
    """

    name: ClassVar[str] = "deletion"
    summary: ClassVar[str] = "tokens taken out, and told where and what they were"

    def __init__(self, ratio: Annotated[float, Field(gt=0, lt=1)] = 0.15) -> None:
        super().__init__(ratio=ratio)

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """``input_ids`` of what is left, how they are attended to, ``labels`` (-100 where nothing is asked)."""
        nothing = processor.sep_token_id if processor.sep_token_id is not None else processor.eos_token_id
        found = [deleted(feature, self.ratio, int(nothing or 0)) for feature in features]
        left = [{**feature, "pieces": pieces} for feature, (_, _, pieces) in zip(features, found, strict=True)]
        batch = read_by(
            left, [ids for ids, _, _ in found], processor,
            first_position=self._first_position, positions=self._positions,
        )  # fmt: skip
        return {**batch, "labels": right_padded([labels for _, labels, _ in found], IGNORED)}


def deleted(feature: Feature, ratio: float, nothing: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The ids that are left, the labels at them, and the lengths of the pieces that are left."""
    ids, draw = feature["input_ids"].astype(np.int64), np.random.default_rng(feature["draw"])
    open_places = np.flatnonzero(feature["open"])
    open_places = open_places[open_places > 0]
    count = int(len(open_places) * ratio + draw.random())
    gone = np.zeros(len(ids), dtype=bool)
    gone[draw.permutation(open_places)[:count]] = True
    labels = np.full(len(ids), IGNORED, dtype=np.int64)
    firsts = np.flatnonzero(gone & ~np.concatenate([[False], gone[:-1]]))  # of neighbours that are gone, the first
    labels[firsts - 1] = ids[firsts]
    intact = np.flatnonzero(~gone & feature["open"] & (labels == IGNORED))
    labels[draw.permutation(intact)[: max(1, len(firsts))]] = nothing
    owner = np.repeat(np.arange(len(feature["pieces"])), feature["pieces"])
    pieces = np.bincount(owner[~gone], minlength=len(feature["pieces"]))
    return ids[~gone], labels[~gone], [int(size) for size in pieces if size]

"""Rows of tokens of a shelf: what objectives that ask about tokens are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature
from tunesmith.data.batches import Drawn
from tunesmith.models.kept_apart import apart
from tunesmith.objectives import packing
from tunesmith.objectives.marks import WORD
from tunesmith.objectives.shelf import Shelf
from tunesmith.tasks.sequence import padding_id


class TokenRows(Drawn):
    """Rows of a corpus; each has ``input_ids``, ``pieces`` (their lengths), ``open`` and ``starts`` (bool [length]:
    whether a place is of the text and no special token, and whether it starts a word), ``draw`` (what its draws depend
    on).

    Args:
        around: tokens that stand around each piece.
        packed: rows full of pieces, or a row for each piece.
        special: ids that nothing is asked about, also where they stand in a text: what the tokenizer does not know is
            one of them.
    """

    left_out_why = f"rests of fewer than {packing.LEAST} tokens, of documents that were cut where a row ends"

    def __init__(
        self,
        shelf: Shelf,
        around: packing.Around,
        *,
        max_length: int,
        seed: int,
        packed: bool = True,
        special: Sequence[int] = (),
    ) -> None:
        self.shelf, self.around, self.seed = shelf, around, seed
        self.special = np.asarray(special, dtype=np.int64)
        room = max_length
        if packed:
            self.pieces, self.bounds = packing.packed(shelf.starts, shelf.ends, room, len(around))
            self.rows: np.ndarray | None = None
        else:
            self.pieces, self.bounds, self.rows = packing.alone(shelf.starts, shelf.ends, room, len(around))
        own = self.pieces[:, 1] - self.pieces[:, 0]
        self.left_out = int((shelf.ends - shelf.starts).sum() - own.sum())
        sizes = own + len(around)
        self.lengths = np.add.reduceat(sizes, self.bounds[:-1]) if len(sizes) else sizes  # type: ignore[assignment]

    def __len__(self) -> int:
        """Rows."""
        return len(self.bounds) - 1

    def __getitem__(self, index: Any) -> Any:
        """One row."""
        if index < 0 or index >= len(self):
            raise IndexError(index)
        before, after = self.around.before, self.around.after
        ids: list[np.ndarray] = []
        opened, starts, lengths = [], [], []
        for start, end in self.pieces[self.bounds[index] : self.bounds[index + 1]].tolist():
            own = np.asarray(self.shelf.ids[start:end], dtype=np.int64)
            begins = (np.asarray(self.shelf.marks[start:end]) & WORD).astype(bool)
            begins[:1] = True
            ids += [before, own, after]
            opened += [np.zeros(len(before), bool), ~np.isin(own, self.special), np.zeros(len(after), bool)]
            starts += [np.ones(len(before), bool), begins, np.ones(len(after), bool)]
            lengths.append(len(before) + len(own) + len(after))
        return {
            "row": index if self.rows is None else int(self.rows[index]),
            "input_ids": np.concatenate(ids).astype(np.int32),
            "open": np.concatenate(opened),
            "starts": np.concatenate(starts),
            "pieces": lengths,
            "draw": (self.seed, self.epoch, index),
        }


def special_ids(processor: Any) -> list[int]:
    """The ids of all special tokens, of those without a role, too."""
    added = {i for i, token in processor.added_tokens_decoder.items() if token.special}
    return sorted(added | {i for i in processor.all_special_ids if i is not None})


def right_padded(arrays: Sequence[np.ndarray], fill: int) -> np.ndarray:
    """int64 [rows, longest]."""
    width = max(1, *(len(array) for array in arrays))
    made = np.full((len(arrays), width), fill, dtype=np.int64)
    for i, array in enumerate(arrays):
        made[i, : len(array)] = array
    return made


def read_by(
    features: Sequence[Feature],
    ids: Sequence[np.ndarray],
    processor: Any,
    *,
    first_position: int,
    positions: bool,
    causal: bool = False,
) -> Batch:
    """``input_ids`` and how they are attended to: rows of one piece by a plain mask, others each piece for itself."""
    batch: Batch = {"input_ids": right_padded(ids, padding_id(processor))}
    width = batch["input_ids"].shape[1]
    if positions and any(len(feature["pieces"]) > 1 for feature in features):
        return {**batch, **apart([feature["pieces"] for feature in features], width, first_position, causal=causal)}
    sizes = np.asarray([len(array) for array in ids])
    return {**batch, "attention_mask": (np.arange(width)[None] < sizes[:, None]).astype(np.int64)}

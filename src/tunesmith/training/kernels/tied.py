"""Train only the rows of a tied table of embeddings that the corpus can touch; the output layer reads the same rows.

``embedding`` leaves tied tables alone, since softmax over all pieces moves every row. Here the objective asks among
the corpus's own pieces (``models.tied_output``): rows of others are in no sum, and stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from tunesmith.training.kernels.embedding import CompactEmbedding

SPARED = 0.75
"""Of a table that is used more than this, all rows are trained."""


@contextmanager
def compact_table(model: Any, used: torch.Tensor) -> Iterator[bool]:
    """The model with a compact table for the time of the block; says whether it has one.

    Args:
        used: ids of the corpus, and of every token that is put around, over or in the place of them.
    """
    full = model.get_input_embeddings()
    rows = torch.unique(used)
    padding = getattr(full, "padding_idx", None)
    if padding is not None:
        rows = torch.unique(torch.cat([rows, rows.new_tensor([padding])]))
    fits = type(full) is nn.Embedding and full.weight.requires_grad
    if not fits or len(rows) > SPARED * full.num_embeddings:
        yield False
        return
    compact = CompactEmbedding(full, rows)
    model.set_input_embeddings(compact)
    try:
        yield True
    finally:
        model.set_input_embeddings(compact.restored())

"""What goes from stage to stage: rows, features, batches, predictions, evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Row = Mapping[str, Any]
"""A row whose keys are roles ("text", "label"), not the file's column names."""

Feature = dict[str, Any]
"""What the model reads of a row, or of one window of it. Always has ``row`` (int, index into the rows given to
``encode``) and ``input_ids`` (int32 array, [length]); may have ``token_type_ids``, ``target``, ``offset``
(index of the window's first character in the original text), ``size`` (what it costs to train on, where that is not
the number of its ids), and what else its task wants."""

Batch = dict[str, Any]
"""NumPy arrays by the model's argument names, padded to the longest; targets under ``labels``. Where torch computes
(the loop, the runtime torch), they are tensors over the same memory: ``models.tensors``."""

Evidence = Mapping[str, "np.ndarray"]
"""Arrays whose first axis is rows, so that resampling rows resamples the evidence."""

Prediction = dict[str, Any]
"""JSON values only."""


@dataclass(frozen=True)
class Column:
    """A role that a task reads.

    Args:
        role: its word in recipes ("text", "label").
        kind: "text", "label", "labels", "number", "tokens", "tags", "spans", "messages", "image", "audio" or "any".
        required: whether prediction needs it.
        target: whether it is what is learned (absent at prediction).
    """

    role: str
    kind: str = "text"
    required: bool = True
    target: bool = False

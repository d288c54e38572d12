"""Where torch begins: a task's arrays as tensors. Tasks and the runtimes of graphs know arrays only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def tensors(batch: Mapping[str, Any], device: Any = None) -> dict[str, Any]:
    """A batch's arrays as tensors over the same memory, those of a batch within it, too; the rest stays as it is.

    Args:
        batch: as ``Task.collate`` gives it.
        device: where to put them; None: where they are.
    """
    return {name: _tensor(value, device) for name, value in batch.items()}


def _tensor(value: Any, device: Any) -> Any:
    import torch

    if isinstance(value, Mapping):
        return tensors(value, device)
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
    return value.to(device) if device is not None and isinstance(value, torch.Tensor) else value

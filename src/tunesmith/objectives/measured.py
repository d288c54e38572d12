"""How well a model solves an objective on held-out text: a log-likelihood and hits for each row of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Evidence, Feature
from tunesmith.models.tensors import tensors
from tunesmith.objectives.objective import PROBED, Objective

if TYPE_CHECKING:
    from torch import nn


def measured(
    model: nn.Module,
    objective: Objective,
    features: Sequence[Feature],
    processor: Any,
    *,
    precision: str = "fp32",
    progress: Callable[[int, int], None] | None = None,
) -> Evidence:
    """``log_likelihood``, ``target_tokens`` and ``target_hits`` of each feature.

    Batches are always cut alike, for objectives in which the texts of a batch are each other's wrong answers.
    """
    import torch

    device = next(iter(model.parameters())).device
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    sums = np.zeros((3, len(features)))
    was = model.training
    model.train(objective.noisy)
    torch.manual_seed(PROBED)  # of dropout, where there is any; the caller puts the generator back
    with torch.inference_mode(), torch.autocast(device.type, dtype=kind) if kind else nullcontext():
        for start in range(0, len(features), objective.batch_size):
            some = [features[i] for i in range(start, min(start + objective.batch_size, len(features)))]
            batch = tensors(objective.collate(some, processor), device)
            found = objective.scores(objective.forward(model, batch), batch)
            owner = found.owner.cpu().numpy() + start
            np.add.at(sums[0], owner, found.log_likelihood.float().cpu().numpy())
            np.add.at(sums[1], owner, 1.0)
            np.add.at(sums[2], owner, found.right.float().cpu().numpy())
            if progress is not None:
                progress(start + len(some), len(features))
    model.train(was)
    return {"log_likelihood": sums[0], "target_tokens": sums[1], "target_hits": sums[2]}

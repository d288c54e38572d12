"""What a batch decides, whatever its task: logits over classes, and which class is wanted.

A text's class, each token's tag, a question's start and its end, each label's yes or no, a row's choice: strategies
that shape a loss or compare two models need no more of a task than this. A task whose logits are not in the shape of
its labels has a method ``scored(outputs, batch)`` that gives pairs of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Batch, Task
from tunesmith.core.errors import RecipeError
from tunesmith.tasks.head_outputs import head_outputs

if TYPE_CHECKING:
    import torch

IGNORED = -100


@dataclass(frozen=True)
class Decisions:
    """Decisions of one kind.

    Args:
        logits: fp32 [decisions, classes]; the least number there is where a class is not to be had.
        wanted: the shares of the classes, float [decisions, classes].
    """

    logits: torch.Tensor
    wanted: torch.Tensor


def decides(task: Task) -> bool:
    """Whether a task has decisions; of a mixture, all of its parts."""
    parts = getattr(task, "parts", None) or {}
    return task.decides and all(decides(part) for part in parts.values())


def decisions(task: Task, outputs: Any, batch: Batch) -> list[Decisions]:
    """The decisions of a batch, one entry a kind; those that teach nothing are left out.

    Raises:
        RecipeError: the task decides nothing.
    """
    return list(_found(task, outputs, batch["labels"], batch))


def divergence(task: Task, outputs: Any, others: Any, batch: Batch) -> torch.Tensor:
    """How far two outputs for a batch are apart: the task's own measure, or that of its decisions. A scalar."""
    import torch

    if not hasattr(task, "scored") and type(task).divergence is not Task.divergence:
        return task.divergence(outputs, others)
    pairs = list(zip(decisions(task, outputs, batch), decisions(task, others, batch), strict=True))
    each = [_apart(one.logits, other.logits) for one, other in pairs if len(one.logits)]
    return torch.stack(each).mean() if each else pairs[0][0].logits.sum()


def _apart(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Symmetric Kullback-Leibler divergence, the mean over decisions."""
    from torch.nn.functional import kl_div, log_softmax

    p, q = log_softmax(one, dim=-1), log_softmax(other, dim=-1)
    there = kl_div(p, q, reduction="batchmean", log_target=True)
    return (there + kl_div(q, p, reduction="batchmean", log_target=True)) / 2


def _found(task: Task, outputs: Any, labels: Any, batch: Batch) -> Iterator[Decisions]:
    if not decides(task):
        raise RecipeError(f"{task.name} does not decide between classes.", "Leave out strategies that need them.")
    if parts := getattr(task, "parts", None):
        for name, logits in outputs.items():
            yield from _found(parts[name], head_outputs(logits), labels[name], {**batch, "labels": labels[name]})
    elif hasattr(task, "scored"):
        for scored, wanted in task.scored(outputs, batch):
            yield _of_classes(scored, wanted)
    elif getattr(outputs, "start_logits", None) is not None:
        for side, logits in enumerate((outputs.start_logits, outputs.end_logits)):
            yield _of_places(logits, labels[..., side])
    elif labels.is_floating_point():
        yield _of_yes_and_no(outputs.logits, labels)
    else:
        yield _of_classes(outputs.logits, labels)


def _of_classes(logits: torch.Tensor, labels: torch.Tensor) -> Decisions:
    """Logits [..., layers * classes] and labels [..., layers] or [...]: several layers stand behind one another."""
    import torch

    layers = labels.numel() // max(1, logits[..., 0].numel())
    flat, wanted = logits.float().reshape(-1, logits.shape[-1] // max(1, layers)), labels.reshape(-1)
    kept = wanted != IGNORED
    flat = flat[kept]
    return Decisions(flat, torch.nn.functional.one_hot(wanted[kept], flat.shape[-1]).to(flat.dtype))


def _of_places(logits: torch.Tensor, shares: torch.Tensor) -> Decisions:
    """Logits [rows, length] and the places' shares; below zero where a place is not of the text."""
    import torch

    masked = logits.float().masked_fill(shares < 0, torch.finfo(torch.float32).min)
    return Decisions(masked, shares.clamp(min=0).float())


def _of_yes_and_no(logits: torch.Tensor, labels: torch.Tensor) -> Decisions:
    """One logit a label: softmax of (0, z) is (1 - sigmoid(z), sigmoid(z))."""
    import torch

    yes, z = labels.float().reshape(-1), logits.float().reshape(-1)
    return Decisions(torch.stack([torch.zeros_like(z), z], dim=-1), torch.stack([1 - yes, yes], dim=-1))

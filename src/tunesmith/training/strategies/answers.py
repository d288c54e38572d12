"""Answers as token ids behind their prompts: what is read out of features, and put together into batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Task
from tunesmith.core.errors import DataError
from tunesmith.tasks.fitted import last_answer

if TYPE_CHECKING:
    import torch

IGNORED = -100


@dataclass(frozen=True)
class Answer:
    """An answer behind its prompt.

    Args:
        prompt: ids of all that stands before it, earlier answers included, int32 [length].
        written: ids of the answer, its end included, int32 [length].
    """

    prompt: np.ndarray
    written: np.ndarray

    def __len__(self) -> int:
        return len(self.prompt) + len(self.written)


def parted(ids: np.ndarray, labels: np.ndarray) -> Answer:
    """The last answer and all that stands before it; what follows it is nobody's, and left out.

    >>> found = parted(np.arange(6), np.array([-100, 1, -100, 3, 4, -100]))
    >>> found.prompt.tolist(), found.written.tolist()
    ([0, 1, 2], [3, 4])

    Args:
        ids: [length].
        labels: -100 where nothing is learned, [length].
    """
    start = last_answer(labels)
    end = int(np.flatnonzero(labels != IGNORED)[-1]) + 1 if start < len(labels) else start
    return Answer(ids[:start].astype(np.int32), ids[start:end].astype(np.int32))


def answers_of(task: Task, processor: Any, features: Sequence[Feature], what: str) -> dict[int, Answer]:
    """Row -> its answer, of features with targets; rows without a token of an answer are left out.

    Args:
        what: the rows are called in messages ("the training rows").

    Raises:
        DataError: a row gives more than one feature.
    """
    found: dict[int, Answer] = {}
    for feature in features:
        row = feature["row"]
        if row < 0 or row in found:
            raise DataError(
                f"Of {what}, row {row + 1} is learned in several pieces, so it has no answer that is one.",
                "Set model.max_length higher, or shorten the row.",
            )
        arrays = task.collate([feature], processor)
        there = arrays["attention_mask"][0] == 1
        found[row] = parted(arrays["input_ids"][0][there], arrays["labels"][0][there])
    return {row: answer for row, answer in found.items() if len(answer.written)}


def batch_of(answers: Sequence[Answer], padding: int, device: Any = None) -> Batch:
    """Answers behind their prompts: tensors ``input_ids`` and ``labels``.

    Padding stands on the right, where nobody sees it, so there is no mask.
    """
    longest = max(len(answer) for answer in answers)
    ids = np.full((len(answers), longest), padding, np.int64)
    labels = np.full_like(ids, IGNORED)
    for i, answer in enumerate(answers):
        first, end = len(answer.prompt), len(answer)
        ids[i, :first], ids[i, first:end] = answer.prompt, answer.written
        labels[i, first:end] = answer.written
    return _tensors({"input_ids": ids, "labels": labels}, device)


def prompts_of(prompts: Sequence[np.ndarray], padding: int, device: Any = None) -> Batch:
    """Prompts to go on from, padded on the left: tensors ``input_ids`` and ``attention_mask``."""
    longest = max(map(len, prompts))
    ids = np.full((len(prompts), longest), padding, np.int64)
    mask = np.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, longest - len(prompt) :], mask[i, longest - len(prompt) :] = prompt, 1
    return _tensors({"input_ids": ids, "attention_mask": mask}, device)


def packed(answers: Sequence[Answer]) -> dict[str, torch.Tensor]:
    """Answers as two tensors, for a checkpoint: ``ids`` behind one another, ``lengths`` [answers, 2]."""
    import torch

    parts = [part for answer in answers for part in (answer.prompt, answer.written)]
    ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    lengths = torch.tensor([[len(answer.prompt), len(answer.written)] for answer in answers]).reshape(-1, 2)
    return {"ids": torch.from_numpy(ids), "lengths": lengths}


def unpacked(ids: torch.Tensor, lengths: torch.Tensor) -> list[Answer]:
    """What ``packed`` was given."""
    ends = np.cumsum(lengths.numpy().reshape(-1))
    parts = np.split(ids.numpy(), ends[:-1]) if len(ends) else []
    return [Answer(prompt, written) for prompt, written in zip(parts[::2], parts[1::2], strict=True)]


def padding_of(run: Any) -> int:
    """The id that fills a batch up; which one does not matter, as it is masked."""
    found = getattr(run.processor, "pad_token_id", None)
    return int(found) if found is not None else 0


def device_of(run: Any) -> torch.device:
    """Where the run's model is."""
    device: torch.device = next(iter(run.model.parameters())).device
    return device


def without_dropout(model: Any) -> None:
    """Turn dropout off until the model is set to train again; layers that are computed twice to save memory still are.

    A ratio of probabilities would be one of two masks' chances.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    for module in model.modules():
        module.training = isinstance(module, GradientCheckpointingLayer)
    model.training = True


def _tensors(arrays: Batch, device: Any) -> Batch:
    from tunesmith.models.tensors import tensors

    return tensors(arrays, device)

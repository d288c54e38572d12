"""Answers as token ids behind their prompts: what is read out of features, and put together into batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Batch, Feature, Row, Task
from tunesmith.core.errors import DataError

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


def last_answer(ids: np.ndarray, labels: np.ndarray) -> Answer:
    """What stands at the last unbroken run of labels; what follows it is nobody's, and left out.

    >>> found = last_answer(np.arange(6), np.array([-100, 1, -100, 3, 4, -100]))
    >>> found.prompt.tolist(), found.written.tolist()
    ([0, 1, 2], [3, 4])

    Args:
        ids: [length].
        labels: -100 where nothing is learned, [length].
    """
    learned = np.flatnonzero(labels != IGNORED)
    if not len(learned):
        return Answer(ids.astype(np.int32), np.zeros(0, np.int32))
    end = int(learned[-1]) + 1
    gaps = np.flatnonzero(np.diff(learned) > 1)
    start = int(learned[gaps[-1] + 1] if len(gaps) else learned[0])
    return Answer(ids[:start].astype(np.int32), ids[start:end].astype(np.int32))


def with_answer(task: Task, row: Row, text: str) -> Row:
    """The row with another answer in its target's place: of a conversation, the last message's."""
    for column in task.columns:
        if column.kind == "messages":
            *before, last = row[column.role]
            return {**row, column.role: [*before, {**last, "content": text}]}
    target = next(column.role for column in task.columns if column.target)
    return {**row, target: text}


def answers_of(run: Any, rows: Sequence[Row], what: str) -> list[Answer]:
    """The answer of each row, as the run's task encodes it.

    Args:
        run: the loop's RunState.
        what: the rows are called in messages ("the training rows").

    Raises:
        DataError: a row gives more than one feature, none, or one without an answer.
    """
    return read_answers(run.task, run.processor, run.encode(rows), len(rows), what)


def read_answers(task: Task, processor: Any, features: Sequence[Feature], rows: int, what: str) -> list[Answer]:
    """The same, of features that are there.

    Args:
        rows: how many the features are of.
    """
    found: list[Answer | None] = [None] * rows
    for feature in features:
        row = feature["row"]
        if not 0 <= row < rows or found[row] is not None:
            raise DataError(
                f"Of {what}, row {row + 1} is learned in several pieces, so it has no answer that is one.",
                "Set model.max_length higher, shorten the row, or leave packing out (task.packing=false).",
            )
        arrays = task.collate([feature], processor)
        there = arrays["attention_mask"][0] == 1
        found[row] = last_answer(arrays["input_ids"][0][there], arrays["labels"][0][there])
    for number, answer in enumerate(found, 1):
        if answer is None or not len(answer.written):
            raise DataError(
                f"Of {what}, row {number} has no token of an answer left.",
                "Its prompt may be longer than model.max_length: shorten it, or set that higher.",
            )
    return [answer for answer in found if answer is not None]


def batch_of(answers: Sequence[Answer], padding: int, device: Any = None) -> Batch:
    """Answers behind their prompts, padded on the right: ``input_ids``, ``attention_mask`` and ``labels`` as tensors."""
    longest = max(len(answer) for answer in answers)
    ids = np.full((len(answers), longest), padding, np.int64)
    labels, mask = np.full_like(ids, IGNORED), np.zeros_like(ids)
    for i, answer in enumerate(answers):
        first, end = len(answer.prompt), len(answer)
        ids[i, :first], ids[i, first:end] = answer.prompt, answer.written
        labels[i, first:end] = answer.written
        mask[i, :end] = 1
    return _tensors({"input_ids": ids, "attention_mask": mask, "labels": labels}, device)


def prompts_of(prompts: Sequence[np.ndarray], padding: int, device: Any = None) -> Batch:
    """Prompts to go on from, padded on the left: ``input_ids`` and ``attention_mask`` as tensors."""
    longest = max(map(len, prompts))
    ids = np.full((len(prompts), longest), padding, np.int64)
    mask = np.zeros_like(ids)
    for i, prompt in enumerate(prompts):
        ids[i, longest - len(prompt) :], mask[i, longest - len(prompt) :] = prompt, 1
    return _tensors({"input_ids": ids, "attention_mask": mask}, device)


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

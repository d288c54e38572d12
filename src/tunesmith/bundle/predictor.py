"""Rows in, predictions out, in order: the same object whatever the runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Batch, Decoding, Feature, Prediction, Row, Runtime, Task

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[int, int], None]
"""Called with features done and features in all."""


MANY = 64
"""Features that are computed together at most, where nobody says: a proof asks in the same company as a user does, as
what shares a scale with its batch (int8) answers otherwise in another."""
MANY_TOKENS = 16384
"""Computed together where a runtime does not say: bounds memory for long windows."""
SCORED_TOKENS = 4096
"""Scored together at most: many more would take memory, and no less time."""


class Predictor:
    """A task, its processor and a runtime, put together.

    Args:
        task: encodes, collates, infers and decodes; nothing else is asked of it.
        processor: its tokenizer.
        runtime: what computes.
        max_length: tokens a feature may have; a longer row becomes windows.
        batch_size: features that are computed together at most.
        batch_tokens: padded tokens (and frames of sounds) that are computed together at most; None: what suits the
            task, or the runtime's device.
        clean: what is done to the texts of a row before it is read; None: nothing.
    """

    def __init__(
        self,
        task: Task,
        processor: Any,
        runtime: Runtime,
        *,
        max_length: int,
        batch_size: int = MANY,
        batch_tokens: int | None = None,
        clean: Callable[[Row], Row] | None = None,
    ) -> None:
        self.task = task
        self.processor = processor
        self.runtime = runtime
        self.max_length = max_length
        self.batch_size = batch_size
        self.clean = clean
        best: Any = getattr(task, "together", None) or getattr(runtime, "together", MANY_TOKENS)
        self.batch_tokens: int = best if batch_tokens is None else batch_tokens

    def predict(self, rows: Sequence[Row], progress: Progress | None = None, *, before: int = 0) -> list[Prediction]:
        """One prediction a row, in order.

        Args:
            before: rows that were asked before these: texts that are drawn go on from there.
        """
        features, arrays = self.outputs(rows, progress, before=before)
        return self.decode(arrays, features)

    def outputs(
        self, rows: Sequence[Row], progress: Progress | None = None, *, before: int = 0
    ) -> tuple[list[Feature], list[np.ndarray]]:
        """The rows' features and, in the same order, what was computed of each: logits or generated ids."""
        features = self.encode(rows)
        return features, self.infer(features, progress, before=before)

    def encode(self, rows: Sequence[Row], *, targets: bool = False) -> list[Feature]:
        """What the model reads of rows, and of their targets where they are asked for."""
        rows = rows if self.clean is None else [self.clean(row) for row in rows]
        return self.task.encode(rows, self.processor, max_length=self.max_length, targets=targets)

    def collate(self, features: Sequence[Feature]) -> Batch:
        """Features as one batch."""
        return self.task.collate(features, self.processor)

    def decode(self, outputs: Sequence[np.ndarray], features: Sequence[Feature]) -> list[Prediction]:
        """One prediction a row, of what ``infer`` gave of its features."""
        return self.task.decode(outputs, features)

    def infer(
        self, features: Sequence[Feature], progress: Progress | None = None, *, before: int = 0
    ) -> list[np.ndarray]:
        """One array a feature, in order; for rows that were encoded before."""
        return self._computed(
            features, lambda inputs, done: self.task.infer(self._drawing(before + done), inputs), progress
        )

    def score(self, features: Sequence[Feature], progress: Progress | None = None) -> list[np.ndarray]:
        """The log-probabilities of each feature's target, in order. Only of generative tasks."""
        tokens = min(self.batch_tokens, SCORED_TOKENS)
        return self._computed(features, lambda inputs, _: self.runtime.score(inputs), progress, tokens)

    def _drawing(self, place: int) -> Runtime:
        """The runtime, for features from a place on: no batch draws what another drew."""
        onward: Any = Drawing(self.runtime, place)
        return onward if place and hasattr(self.task, "decoding") else self.runtime

    def _computed(
        self,
        features: Sequence[Feature],
        compute: Callable[[Batch, int], list[np.ndarray]],
        progress: Progress | None,
        tokens: int | None = None,
    ) -> list[np.ndarray]:
        arrays: list[Any] = [None] * len(features)
        done = 0
        for batch in batches_by_length(
            [weight(feature) for feature in features], self.batch_size, tokens or self.batch_tokens
        ):
            inputs = self.collate([features[i] for i in batch])
            for i, array in zip(batch, compute(inputs, done), strict=True):
                arrays[i] = array
            done += len(batch)
            if progress is not None:
                progress(done, len(features))
        return arrays

    def predict_iter(self, rows: Iterable[Row], chunk: int = 1024) -> Iterator[Prediction]:
        """Predictions of rows that need not fit into memory: read, computed and given back ``chunk`` at a time."""
        remaining, before = iter(rows), 0
        while some := list(islice(remaining, chunk)):
            yield from self.predict(some, before=before)
            before += len(some)


class Drawing:
    """A runtime whose texts are drawn by seeds from a place on.

    Args:
        runtime: computes.
        place: of the first text.
    """

    def __init__(self, runtime: Runtime, place: int) -> None:
        self._runtime, self._place = runtime, place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """As the runtime writes them."""
        return self._runtime.generate(batch, decoding.at(self._place))


def weight(feature: Feature) -> int:
    """What a feature weighs in a batch: its tokens, and its sound's frames of 10 ms, which take as much memory.

    >>> weight({"input_ids": [1, 2, 3], "frames": 100})
    103
    """
    return len(feature["input_ids"]) + int(feature.get("frames", 0))


def batches_by_length(lengths: Sequence[int], size: int, tokens: int) -> Iterator[list[int]]:
    """Indices grouped so that little is padding: the longest first, at most ``size`` and ``tokens`` (padded) a group.

    >>> list(batches_by_length([3, 9, 4, 8], size=2, tokens=100))
    [[1, 3], [2, 0]]
    >>> list(batches_by_length([3, 9, 4, 8], size=4, tokens=10))
    [[1], [3], [2, 0]]
    """
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if group and (len(group) == size or (len(group) + 1) * lengths[group[0]] > tokens):
            yield group
            group = []
        group.append(index)
    if group:
        yield group

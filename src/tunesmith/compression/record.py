"""What a task asks of its model: the batches that reach a runtime, whatever the task does with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tunesmith.core.contracts import Batch, Decoding, Row, Runtime, Task

if TYPE_CHECKING:
    import numpy as np


class Recorder:
    """A runtime that keeps what it is asked.

    Args:
        runtime: what computes.
    """

    name: ClassVar[str] = "recorder"

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.asked: list[Batch] = []
        self.outputs: list[str] = []

    def forward(self, batch: Batch) -> dict[str, np.ndarray]:
        """As the runtime does."""
        found = self.runtime.forward(batch)
        self.asked.append(dict(batch))
        self.outputs = list(dict.fromkeys([*self.outputs, *found]))
        return found

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """As the runtime does; not kept."""
        return self.runtime.generate(batch, decoding)

    def score(self, batch: Batch) -> list[np.ndarray]:
        """As the runtime does; not kept."""
        return self.runtime.score(batch)


def asked_of(
    runtime: Runtime, task: Task, processor: Any, rows: Sequence[Row], max_length: int, batch_size: int = 8
) -> Recorder:
    """The batches that ``rows`` become on their way to the model, and the names of its outputs in all of them."""
    from tunesmith.bundle.predictor import Predictor

    recorder = Recorder(runtime)
    Predictor(task, processor, recorder, max_length=max_length, batch_size=batch_size).outputs(rows)
    spared = getattr(getattr(runtime, "model", None), "spared", ())
    if spared:  # as the graph is asked, which gives what no row here wants, too
        whole = runtime.forward({name: value for name, value in recorder.asked[-1].items() if name not in spared})
        recorder.outputs = list(whole)
    return recorder

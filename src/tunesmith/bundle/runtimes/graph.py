"""What runtimes of a graph share: how a bundle's is opened, its inputs as arrays, and how many threads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from tunesmith.core.contracts import Batch, Decoding
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.core.runtime import cores

if TYPE_CHECKING:
    from tunesmith.bundle.read import Bundle


CPU_TOKENS = 256
"""Padded tokens that a CPU computes best together: what is between the layers stays in its caches. Of 32 short rows in
int8 it does 1.9 times as many a second as all at once, of 32 long ones 6 times; alike in fp32, in OpenVINO and in torch
(``benchmarks/results/service_at_once.md``)."""


class GraphRuntime:
    """A runtime whose constructor takes (graph, precision, device)."""

    name: ClassVar[str]
    together = CPU_TOKENS

    @classmethod
    def open(cls, bundle: Bundle, *, device: str = "auto", precision: str = "fp32") -> Self:
        """The graph of a bundle; "auto" is the CPU for one that was shrunk, as it was proven there."""
        device = "cpu" if device == "auto" and bundle.manifest.runtime.form else device
        return cls(graph_of(bundle, cls.name), precision, device)  # type: ignore[call-arg]

    def generate(self, batch: Batch, decoding: Decoding) -> list[np.ndarray]:
        """Not yet."""
        raise self._silent()

    def score(self, batch: Batch) -> list[np.ndarray]:
        """Not yet."""
        raise self._silent()

    def _silent(self) -> RecipeError:
        return RecipeError(f"The runtime {self.name} does not generate text.", "Use --runtime torch.")


def unreadable(library: str, graph: Path, error: Exception) -> BundleError:
    """What to raise where a library, named with its version, cannot read a graph."""
    return BundleError(
        f"{library} cannot read {graph}: {' '.join(str(error).split()):.300}",
        "environment.txt in the bundle names the versions that it was made with.",
    )


def graph_of(bundle: Bundle, runtime: str) -> Path:
    """The bundle's graph for a runtime.

    Raises:
        BundleError: it has none.
    """
    record = bundle.manifest.runtime
    # What ONNX Runtime reads OpenVINO reads, too; not the other way round.
    if record.file and (record.name == runtime or record.file.endswith(".onnx")):
        return bundle.path / record.file
    raise BundleError(
        f"{bundle.path} has no graph for the runtime {runtime}; it was made for {record.name}.",
        f"Make one: tunesmith shrink {bundle.path} --to {runtime}",
    )


def fed(batch: Batch, inputs: Iterable[str]) -> dict[str, np.ndarray]:
    """A batch's tensors as arrays, those that the graph reads."""
    return {name: np.ascontiguousarray(batch[name]) for name in inputs}


def floats(outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Outputs by name, float32."""
    return {name: np.asarray(value, dtype=np.float32) for name, value in outputs.items()}


def threads() -> int:
    """As many as OMP_NUM_THREADS says, which torch heeds, too; else all cores of this process."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) > 0 else cores()

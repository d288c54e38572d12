"""What runtimes of a graph share: which file of a bundle it is, its inputs as arrays, and how many threads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.contracts import Batch
from tunesmith.core.errors import BundleError
from tunesmith.core.runtime import cores

if TYPE_CHECKING:
    from tunesmith.bundle.read import Bundle


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

"""ONNX graphs as files: a protobuf holds 2 GiB, so the weights of a larger one stand in a file beside it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

LARGE = 1536 << 20
"""Bytes of weights from which on they get a file of their own."""
LEAST_BYTES = 1024
"""Smaller tensors stay in the .onnx file."""


def data_of(graph: Path) -> Path:
    """The file of a graph's weights, where it has one."""
    return graph.with_name(f"{graph.name}.data")


def is_large(model: Any) -> bool:
    """Whether an ``onnx.ModelProto`` has more weights than its file can be trusted to hold."""
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer) > LARGE


def save(model: Any, target: Path) -> None:
    """Write an ``onnx.ModelProto``, its weights loaded."""
    import onnx

    data = data_of(target)
    data.unlink(missing_ok=True)  # onnx would write behind what is there
    if is_large(model):
        onnx.save(model, str(target), save_as_external_data=True, location=data.name, size_threshold=LEAST_BYTES)
    else:
        onnx.save(model, str(target))


def copy(graph: Path, target: Path) -> None:
    """Copy a graph and its weights."""
    for source, place in ((graph, target), (data_of(graph), target.with_name(data_of(graph).name))):
        if not source.is_file():
            continue
        try:
            os.link(source, place)  # on one disk, a second name costs nothing
        except OSError:
            shutil.copyfile(source, place)


def remove(graph: Path) -> None:
    """Remove a graph and its weights."""
    graph.unlink()
    data_of(graph).unlink(missing_ok=True)

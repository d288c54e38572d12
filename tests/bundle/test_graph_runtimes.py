"""Where a graph is computed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.bundle.layout import Manifest, MethodRecord, RuntimeRecord, TaskRecord
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.runtimes import onnx
from tunesmith.bundle.runtimes.graph import GraphRuntime
from tunesmith.core.errors import RecipeError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class Opened(GraphRuntime):
    """Keeps what it is opened with."""

    name = "onnx"

    def __init__(self, graph: Path, precision: str, device: str) -> None:
        self.device = device


@pytest.mark.parametrize(
    ("form", "asked", "found"), [("int8", "auto", "cpu"), ("int8", "cuda:1", "cuda:1"), ("", "auto", "auto")]
)
def test_a_shrunk_bundle_is_computed_where_it_was_proven(form: str, asked: str, found: str, tmp_path: Path) -> None:
    record = RuntimeRecord("onnx", "model.onnx", "int8", form)
    bundle = Bundle(tmp_path, Manifest(TaskRecord("text-classification"), MethodRecord("full"), runtime=record))
    assert Opened.open(bundle, device=asked).device == found


@pytest.mark.parametrize(
    ("device", "there", "found"),
    [
        ("auto", [CUDA, CPU], [CUDA, CPU]),
        ("auto", [CPU], [CPU]),
        ("cpu", [CUDA, CPU], [CPU]),
        ("cuda", [CUDA, CPU], [CUDA, CPU]),
        ("cuda:1", [CUDA, CPU], [(CUDA, {"device_id": 1}), CPU]),
    ],
)
def test_the_gpu_that_is_named_computes(device: str, there: list[str], found: list[Any]) -> None:
    assert onnx._providers(SimpleNamespace(get_available_providers=lambda: there), device) == found


@pytest.mark.parametrize(("device", "why"), [("mps", "not compute on mps"), ("cuda:x", "cuda:x"), ("cuda", "no GPU")])
def test_a_device_that_it_does_not_have_is_refused(device: str, why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        onnx._providers(SimpleNamespace(get_available_providers=lambda: [CPU]), device)

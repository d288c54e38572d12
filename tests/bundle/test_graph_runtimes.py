"""Where a graph is computed, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.bundle.layout import Manifest, MethodRecord, RuntimeRecord, TaskRecord
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.runtimes import onnx
from tunesmith.bundle.runtimes.graph import GraphRuntime
from tunesmith.compression.forms import Int8, Onnx
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


@pytest.mark.parametrize(
    ("flags", "precision", "proven", "told"),
    [
        ({"avx2"}, "int8", True, True),
        ({"avx2"}, "int8", None, True),
        ({"avx2"}, "int8", False, False),
        ({"avx2"}, "fp32", None, False),
        ({"avx512_vnni"}, "int8", True, False),
        ({"avx_vnni"}, "int8", None, False),
        (set(), "int8", True, False),
    ],
)
def test_int8_that_was_proven_on_a_better_processor_is_told_of(
    flags: set[str], precision: str, proven: bool | None, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.core.runtime.cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    record = RuntimeRecord("onnx", "model.onnx", precision, "int8", proven)
    assert ("no VNNI" in (onnx.may_saturate(Path("out/x"), record) or "")) is told
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert onnx.may_saturate(Path("out/x"), record) is None


def test_the_processor_that_proves_int8_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunesmith.core.runtime.cpu_flags", lambda: frozenset({"avx_vnni"}))
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    assert Int8().record().vnni is True and Onnx().record().vnni is None
    manifest = Manifest(TaskRecord("text-classification"), MethodRecord("full"), runtime=Int8().record())
    values = manifest.to_json()
    assert Manifest.from_json(values).runtime.vnni is True
    older = replace(manifest, runtime=RuntimeRecord("onnx", "model.onnx", "int8", "int8")).to_json()
    assert "vnni" not in older["runtime"] and Manifest.from_json(older).to_json()["seal"] == older["seal"]

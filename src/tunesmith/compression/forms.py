"""What a model's ONNX graph can be turned into: one small class a form, each for one runtime.

A form is made of the graph in fp32 and, where it is calibrated, of real batches. What comes out is held to parity with
the model that went in by whoever asked for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.bundle.layout import GRAPH, OPENVINO_GRAPH, RuntimeRecord
from tunesmith.bundle.runtimes.openvino import WEIGHTS_SUFFIX
from tunesmith.compression.onnx_files import copy
from tunesmith.core.contracts import Batch
from tunesmith.core.extras import need
from tunesmith.core.runtime import cpu_flags, vnni


class Form:
    """How a model is written for a runtime."""

    name: ClassVar[str]
    summary: ClassVar[str]
    runtime: ClassVar[str]
    precision: ClassVar[str]
    file: ClassVar[str] = GRAPH
    exact: ClassVar[bool] = False
    """Whether it must give the same numbers up to rounding in fp32."""
    calibrated: ClassVar[bool] = False
    """Whether training rows set its scales."""
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime",)

    def check(self) -> None:
        """Raise ExtraMissing where what it needs is not installed."""
        for package in self.packages:
            need(package, extra="shrink", purpose=f"shrinking to {self.name}")

    def helps(self) -> bool:
        """Whether this processor gains by it: a search leaves it out where not."""
        return True

    def record(self) -> RuntimeRecord:
        """What the bundle's manifest says."""
        proven_with = vnni() if self.precision == "int8" else None
        return RuntimeRecord(self.runtime, self.file, self.precision, self.name, proven_with)


class GraphForm(Form, ABC):
    """A form that is made of a graph in fp32."""

    @abstractmethod
    def write(self, graph: Path, folder: Path, batches: Sequence[Batch]) -> None:
        """Write ``folder / file``.

        Args:
            graph: the .onnx file in fp32; is not changed.
            folder: of the bundle to be.
            batches: what the model is asked, for calibration.
        """


class Onnx(GraphForm):
    """The graph as it is."""

    name = "onnx"
    summary = "ONNX Runtime in fp32: the same numbers, quicker"
    runtime = "onnx"
    precision = "fp32"
    exact = True

    def write(self, graph: Path, folder: Path, batches: Sequence[Batch]) -> None:
        """Copy."""
        copy(graph, _made(folder / self.file))


class Int8(GraphForm):
    """Products and tables in int8, activations brought to int8 as they come."""

    name = "int8"
    summary = "ONNX Runtime, weights a scale a column, activations as they come: the quickest on most CPUs"
    runtime = "onnx"
    precision = "int8"

    def write(self, graph: Path, folder: Path, batches: Sequence[Batch]) -> None:
        """Products first, then the tables that ids look up."""
        from tunesmith.compression.onnx_rows import shrink_tables

        target = _made(folder / self.file)
        self.products(graph, target)
        shrink_tables(target, target)

    def products(self, graph: Path, target: Path) -> None:
        """A scale a column, and one for all activations of a batch."""
        from tunesmith.compression.onnx_int8 import dynamic

        dynamic(graph, target)


class Int8Block(Int8):
    """The same with a scale for each few numbers, row by row."""

    name = "int8-block"
    summary = "ONNX Runtime, a scale for each 32 numbers: truer than int8, slower in large batches"

    def products(self, graph: Path, target: Path) -> None:
        """A scale a block, of weights and of activations."""
        from tunesmith.compression.onnx_int8 import blocks

        blocks(graph, target)


class OpenVino(Onnx):
    """The same graph, by another runtime."""

    name = "openvino"
    summary = "OpenVINO in fp32: the same numbers, quicker"
    runtime = "openvino"
    packages = ("openvino",)


class OpenVinoBf16(GraphForm):
    """The graph in bf16, computed in it."""

    name = "openvino-bf16"
    summary = "OpenVINO in bf16, weights in fp16: half the size; quick where the processor has bf16"
    runtime = "openvino"
    precision = "bf16"
    file = OPENVINO_GRAPH
    packages = ("openvino",)

    def helps(self) -> bool:
        """Without the instructions it is fp32 by a detour."""
        return bool({"avx512_bf16", "amx_bf16"} & cpu_flags())

    def write(self, graph: Path, folder: Path, batches: Sequence[Batch]) -> None:
        """Convert; weights are kept in fp16, which holds all that bf16 does in their range."""
        import openvino

        _saved(openvino.Core().read_model(str(graph)), folder / self.file, halves=True)


class OpenVinoInt8(GraphForm):
    """Products in int8, activations by scales that real rows gave."""

    name = "openvino-int8"
    summary = "OpenVINO, calibrated on real rows: the quickest where it holds"
    runtime = "openvino"
    precision = "int8"
    file = OPENVINO_GRAPH
    calibrated = True
    packages = ("openvino", "nncf")

    def write(self, graph: Path, folder: Path, batches: Sequence[Batch]) -> None:
        """Calibrate on ``batches``."""
        from tunesmith.compression.openvino_int8 import calibrated

        _saved(calibrated(graph, batches), folder / self.file, halves=False)


def _saved(model: Any, target: Path, *, halves: bool) -> None:
    """OpenVINO's pair of files; its weights' own suffix, .bin, is one of those that may hold a pickle."""
    import openvino

    openvino.save_model(model, _made(target), compress_to_fp16=halves)
    target.with_suffix(".bin").rename(target.with_suffix(WEIGHTS_SUFFIX))


def _made(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target

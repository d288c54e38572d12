"""What is compared when a bundle is shrunk: the parent, what was cut off it, and each of their forms."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.bundle.parity import same_answer, tokens_of
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.rows import inputs_only
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.compression.forms import Form
from tunesmith.compression.latency import medians
from tunesmith.compression.record import asked_of
from tunesmith.core.contracts import Batch, Feature, Prediction, Row, Runtime
from tunesmith.core.registry import family

CALIBRATION = 256
"""Training rows that set the scales of activations."""
SINGLE, TOGETHER = 1, 32
"""Rows of a batch, when its time is taken."""


@dataclass
class Answers:
    """A model's answers to some rows."""

    arrays: list[np.ndarray]
    predictions: list[Prediction]
    tokens: np.ndarray


@dataclass
class Side:
    """Something that answers: a bundle in torch, or a form of it.

    Args:
        name: as the table calls it.
        bundle: whose tokenizer and task it answers with.
        runtime: what computes.
        bytes: of the files that the runtime reads.
        form: None for torch.
        folder: of the form's files.
    """

    name: str
    bundle: Bundle
    runtime: Runtime
    bytes: int
    form: Form | None = None
    folder: Path | None = None
    cut: str = ""

    def answers(
        self, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None, size: int = TOGETHER
    ) -> Answers:
        """What it says of rows, whose targets it does not see; so many of them, or of their windows, at once."""
        predictor = self.predictor(size)
        features, arrays = predictor.outputs(inputs_only(self.bundle.task, rows), progress)
        return Answers(arrays, predictor.decode(arrays, features), tokens_of(features))

    def predictor(self, size: int = TOGETHER) -> Predictor:
        """As a bundle's own, over this runtime."""
        bundle = self.bundle
        length = bundle.manifest.max_length
        return Predictor(bundle.task, bundle.tokenizer, self.runtime, max_length=length, batch_size=size)

    def groups(self, rows: Sequence[Row], size: int) -> list[list[Feature]]:
        """So many features of like length each, in an order that all sides share; tokens made."""
        features = self.predictor().encode(inputs_only(self.bundle.task, rows))
        features.sort(key=lambda feature: len(feature["input_ids"]))
        made = [features[i : i + size] for i in range(0, len(features), size)]
        random.Random(0).shuffle(made)  # where time allows a few of them only, these must not be the shortest
        return made


@dataclass
class Source:
    """A bundle in torch, and its graph once that is written."""

    side: Side
    graph: Path | None = None
    calibration: list[Batch] = field(default_factory=list)

    def write_graph(self, train: Sequence[Row], seed: int, folder: Path) -> None:
        """The model as an ONNX graph, and batches of training rows that calibrate."""
        from tunesmith.compression.export import to_onnx

        bundle = self.side.bundle
        chosen = sorted(np.random.default_rng(seed).permutation(len(train))[:CALIBRATION])
        rows = inputs_only(bundle.task, [train[i] for i in chosen])
        recorder = asked_of(self.side.runtime, bundle.task, bundle.tokenizer, rows, bundle.manifest.max_length)
        self.graph = folder / "graph" / "model.onnx"
        to_onnx(self.side.runtime.model, recorder.asked, recorder.outputs, self.graph)  # type: ignore[attr-defined]
        self.calibration = recorder.asked

    def in_form(self, form: Form, folder: Path) -> Side:
        """One of its forms, written and opened."""
        assert self.graph is not None
        written: Any = form
        written.write(self.graph, folder, self.calibration)
        made: Any = family("runtimes").load(form.runtime)
        runtime = made(folder / form.file, precision=form.precision)
        return Side(self.name_of(form), self.side.bundle, runtime, file_bytes(folder), form, folder, self.side.cut)

    def name_of(self, form: Form) -> str:
        """As the table calls the form."""
        return f"{self.side.cut}: {form.name}" if self.side.cut else form.name


def in_torch(bundle: Bundle, cut: str = "") -> Source:
    """A bundle as it is."""
    size = sum(path.stat().st_size for path in bundle.path.rglob("*.safetensors") if path.parent.name != "adapter")
    name = f"{cut}: torch" if cut else "torch"
    return Source(Side(name, bundle, TorchRuntime.open(bundle, device="cpu"), size, cut=cut))


def agreement(one: Sequence[Prediction], other: Sequence[Prediction]) -> float:
    """Share of rows with the same answer."""
    return sum(map(same_answer, one, other)) / max(1, len(one))


def seconds(sides: Sequence[Side], rows: Sequence[Row], size: int) -> Mapping[str, float]:
    """Seconds for ``size`` rows, in turns; the tokens were made before. As many at once as a predictor takes."""
    some = rows[: max(32, 8 * size)]
    own = {side.name: side.groups(some, size) for side in sides}

    def runner(side: Side) -> Callable[[int], object]:
        groups, predictor = own[side.name], side.predictor()
        return lambda i: predictor.infer(groups[i % len(groups)])

    return medians({side.name: runner(side) for side in sides}, range(max(map(len, own.values()))))


def file_bytes(folder: Path) -> int:
    """Of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

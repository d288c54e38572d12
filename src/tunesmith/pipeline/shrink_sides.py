"""What is compared when a bundle is shrunk: the parent, what was cut off it, and each of their forms; and by whom."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from tunesmith.bundle.parity import same_answer, tokens_of
from tunesmith.bundle.predictor import MANY, Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.rows import inputs_only
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.compression.cuts import CutSpec
from tunesmith.compression.forms import Form, GraphForm
from tunesmith.compression.latency import medians
from tunesmith.compression.pick import Candidate, Units
from tunesmith.compression.record import asked_of
from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import Batch, Evidence, Feature, Prediction, Row, Runtime
from tunesmith.core.errors import TunesmithError
from tunesmith.core.registry import family
from tunesmith.pipeline.draw import drawn

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
    features: list[Feature]


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
        self, rows: Sequence[Row], progress: Callable[[int, int], None] | None = None, size: int = MANY
    ) -> Answers:
        """What it says of rows, whose targets it does not see; so many of them, or of their windows, at once."""
        predictor = self.predictor(size)
        features, arrays = predictor.outputs(inputs_only(self.bundle.task, rows), progress)
        return Answers(arrays, predictor.decode(arrays, features), tokens_of(features), features)

    def predictor(self, size: int = MANY) -> Predictor:
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


@dataclass(frozen=True)
class Made:
    """The parent, the forms that were made, and the models that were cut, in torch."""

    parent: Side
    forms: list[Side]
    cut: list[Side]

    @property
    def all(self) -> list[Side]:
        """The parent first."""
        return [self.parent, *self.forms, *self.cut]


@dataclass(frozen=True)
class Proof:
    """A candidate on the test rows: held against its parent, what was seen of it, and its figure with an interval."""

    parity: Parity
    evidence: Evidence
    figure: Mapping[str, float | None]


class Kind(Protocol):
    """How the candidates of a kind of task are made, measured and proven."""

    units: ClassVar[Units]
    """In which speed is told."""
    allow_more: ClassVar[str]
    """What to do where all lose too much."""

    @property
    def metric(self) -> str:
        """The one that may lose so much."""
        ...

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those of the report; the first is that one."""
        ...

    @property
    def test(self) -> Sequence[Row]:
        """The rows that prove."""
        ...

    @property
    def rows(self) -> dict[str, int]:
        """How many choose ("choosing"), and how many prove ("test")."""
        ...

    def made(
        self, forms: Sequence[Form], cuts: Mapping[str, CutSpec], overrides: Sequence[str], left_out: dict[str, str]
    ) -> Made:
        """All that is compared; what fails in a search goes into ``left_out`` with its reason."""
        ...

    def measured(self, sides: Sequence[Side]) -> dict[str, Candidate]:
        """All on the rows that choose; the first is what the others are held against."""
        ...

    def remarks(self, candidates: Sequence[Candidate], picked: Candidate) -> list[str]:
        """What else is to be said of the choice, in sentences."""
        ...

    def proven(self, side: Side) -> Proof:
        """On the test rows, which nothing was chosen on."""
        ...

    def parents_evidence(self) -> Evidence:
        """Of the test rows."""
        ...

    def proof_rows(self) -> list[dict[str, Any]]:
        """Rows that a fresh process must answer alike."""
        ...


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
        assert self.graph is not None and isinstance(form, GraphForm)
        form.write(self.graph, folder, self.calibration)
        made: Any = family("runtimes").load(form.runtime)
        runtime = made(folder / form.file, precision=form.precision, device="cpu")  # where it is proven, too
        return Side(self.name_of(form), self.side.bundle, runtime, file_bytes(folder), form, folder, self.side.cut)

    def name_of(self, form: Form) -> str:
        """As the table calls the form."""
        return f"{self.side.cut}: {form.name}" if self.side.cut else form.name


def in_forms(
    forms: Sequence[Form],
    home: Path,
    write: Callable[[Form, Path], Side],
    name_of: Callable[[Form], str],
    left_out: dict[str, str],
    progress: Callable[[int, int], None],
) -> list[Side]:
    """Each form's files; in a search, what fails is told of and left out.

    Args:
        home: gets a folder for each form.
        write: writes one into its folder, and opens it.
        name_of: as the table calls it.
        left_out: name -> why; is added to.
        progress: called with forms done and in all.

    Raises:
        TunesmithError: the only form fails.
    """
    found = []
    for done, form in enumerate(forms):
        progress(done, len(forms))
        folder = home / form.name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            found.append(write(form, folder))
        except OSError:
            raise
        except Exception as error:  # a tool's or a runtime's own failure must not end a search
            if len(forms) == 1 and isinstance(error, TunesmithError):
                raise
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            if len(forms) == 1:
                raise TunesmithError(
                    f"The model cannot be brought to {form.name}: {why}", "Take another form: --to auto"
                ) from error
            left_out[name_of(form)] = why
    return found


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
    some = drawn(rows, max(32, 8 * size))
    own = {side.name: side.groups(some, size) for side in sides}

    def runner(side: Side) -> Callable[[int], object]:
        groups, predictor = own[side.name], side.predictor()
        return lambda i: predictor.infer(groups[i % len(groups)])

    return medians({side.name: runner(side) for side in sides}, range(max(map(len, own.values()))))


def file_bytes(folder: Path) -> int:
    """Of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

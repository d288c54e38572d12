"""Models that a student learns from: bundles, or what the student was before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tunesmith.core.contracts import Batch, Row, Task
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.training.strategies.decisions import decisions

if TYPE_CHECKING:
    import torch

Columns = tuple[list[int], list[int]]
"""Places of the classes that both have: among the student's logits, and among the teacher's."""
ROW_TASKS = ("text-classification", "multi-label-classification")
"""Tasks whose decisions are of a text and not of its tokens, so that a teacher may cut the text in its own way."""


class Teacher(Protocol):
    """Whoever answers a batch of the student's."""

    columns: Columns | None
    """None: all, in the same order."""

    def answer(self, run: Any, batch: Batch) -> Any:
        """Outputs as the student's model gives them, without a gradient."""
        ...


class Earlier:
    """The student itself with the weights that it has now.

    Args:
        known: classes that these weights know, the first ones; those after them are as they were drawn. 0: all.
    """

    def __init__(self, run: Any, known: int = 0) -> None:
        news = run.task.name == "text-classification" and 2 <= known < len(run.task.labels)
        self.columns: Columns | None = (list(range(known)), list(range(known))) if news else None
        self.weights = {name: p.detach().clone() for name, p in run.trained().items()}

    def answer(self, run: Any, batch: Batch) -> Any:
        """As the kept weights answer."""
        with self.in_place(run):
            return _outputs(run, run.model, batch)

    @contextmanager
    def in_place(self, run: Any) -> Iterator[None]:
        """Within the block the kept weights are in the others' place; pointers move, nothing is copied."""
        training = run.model.training
        self._exchange(run)
        run.model.eval()
        try:
            yield
        finally:
            run.model.train(training)
            self._exchange(run)

    def _exchange(self, run: Any) -> None:
        trained = run.trained()
        for name, weight in self.weights.items():
            self.weights[name], trained[name].data = trained[name].data, weight


class FromBundle:
    """A bundle of the same task.

    With the student's tokenizer it answers the student's batches. With another one it reads the rows itself, before
    training starts, and its answers to a row are those to each window of it.

    Args:
        path: the bundle's.
        wanted: for messages: the setting that names it.

    Raises:
        RecipeError: it is of another task, knows none of the classes, or cannot read the rows.
    """

    def __init__(self, path: str, run: Any, wanted: str) -> None:
        from tunesmith.bundle.read import read_bundle
        from tunesmith.bundle.runtimes.torch import TorchRuntime

        if why := unusable(path, run.task):
            raise RecipeError(f"{wanted}: {why}", "Name a bundle of the same task.")
        bundle = read_bundle(path)
        device = str(next(iter(run.model.parameters())).device)
        self.runtime = TorchRuntime.open(bundle, device=device)
        self.model: Any = self.runtime.model.requires_grad_(False)
        self.columns = columns(run.task.name, _names(run.model, run.task), _names(self.model, bundle.task), wanted)
        self._of_rows: torch.Tensor | None = None
        self._predictor: Any = None
        if bundle.tokenizer.get_vocab() != run.processor.get_vocab():
            self._of_rows = self._read(bundle, run, wanted)

    def answer(self, run: Any, batch: Batch) -> Any:
        """Of the batch, or what was said of its rows before."""
        if self._of_rows is None:
            return _outputs(run, self.model, batch)
        if run.brought is not None:
            found = self._said(run.brought)
        else:
            found = self._of_rows[[run.features[i]["row"] for i in run.indices]]
        return SimpleNamespace(logits=found.to(batch["labels"].device), start_logits=None)

    def _read(self, bundle: Any, run: Any, wanted: str) -> torch.Tensor:
        """[rows, classes]: the mean over a row's windows, each weighed by its length."""
        if run.task.name not in ROW_TASKS or not run.rows or any(f["row"] < 0 for f in run.features):
            raise RecipeError(
                f"{wanted}: {bundle.path} has another tokenizer than the student, which works for the training rows "
                f"of {' and '.join(ROW_TASKS)} alone.",
                "Use a teacher and a student of one tokenizer.",
            )
        from tunesmith.bundle.predictor import Predictor

        options = {"max_length": bundle.manifest.max_length}
        self._predictor = Predictor(bundle.task, bundle.tokenizer, self.runtime, **options)
        return self._said(run.rows)

    def _said(self, rows: Sequence[Row]) -> torch.Tensor:
        """As ``_read``, of any rows."""
        import torch

        features, arrays = self._predictor.outputs(rows)
        pairs = zip(features, arrays, strict=True)
        merged = []
        for _, group in groupby(pairs, key=lambda pair: pair[0]["row"]):
            windows = list(group)
            lengths = [len(feature["input_ids"]) for feature, _ in windows]
            merged.append(np.average([logits for _, logits in windows], axis=0, weights=lengths))
        return torch.tensor(np.stack(merged), dtype=torch.float32)


def unusable(path: str, task: Task) -> str | None:
    """Why a bundle cannot teach a task, from its manifest alone, in words; None where it may."""
    from tunesmith.bundle.read import read_manifest
    from tunesmith.bundle.shrunk import INSTEAD, without_weights

    try:
        manifest = read_manifest(Path(path))
    except BundleError as error:
        return error.problem
    if why := without_weights(Path(path), manifest):
        return f"{why} {INSTEAD}"
    taught = manifest.task.name
    return None if taught == task.name else f"the bundle {path} is of {taught}, the run of {task.name}."


def columns(task: str, own: Sequence[str], others: Sequence[str], wanted: str) -> Columns | None:
    """Where the classes stand that both know; None where they are all the same.

    Raises:
        RecipeError: they share less than two, or stand otherwise in a task where order is more than a name.
    """
    if list(own) == list(others):
        return None
    shared = [name for name in own if name in others]
    if task != "text-classification" or len(shared) < 2:
        raise RecipeError(
            f"{wanted}: the teacher's classes are {', '.join(others)[:200]}; the student's {', '.join(own)[:200]}.",
            "Name a teacher that was tuned on rows with the same labels.",
        )
    return [list(own).index(name) for name in shared], [list(others).index(name) for name in shared]


def answers(teacher: Teacher, run: Any, batch: Batch) -> list[torch.Tensor]:
    """A teacher's logits, one entry a kind of decisions, of the classes that the student has, too."""
    said = teacher.answer(run, batch)
    if teacher.columns is None:
        return [made.logits for made in decisions(run.task, said, batch)]
    own, others = teacher.columns
    widened = SimpleNamespace(logits=_placed(said.logits, own, others, len(run.task.labels)))
    return [made.logits[:, own] for made in decisions(run.task, widened, batch)]


def _placed(logits: torch.Tensor, own: list[int], others: list[int], classes: int) -> torch.Tensor:
    """A teacher's logits [rows, its classes] where the student has them, [rows, classes]: a label may be unknown to
    the teacher, and its place must be there all the same.
    """
    wide = logits.new_zeros(len(logits), classes)
    wide[:, own] = logits[:, others]
    return wide


def _outputs(run: Any, model: Any, batch: Batch) -> Any:
    import torch

    with torch.no_grad(), run.autocast():
        return run.task.forward(model, batch)


def _names(model: Any, task: Any) -> list[str]:
    """What the logits stand for."""
    if parts := getattr(task, "parts", None):
        return [
            f"{name}/{label}"
            for name, part in parts.items()
            for label in part.state.get("labels") or part.state.get("tags") or [part.name]
        ]
    return [str(name) for _, name in sorted(model.config.id2label.items())]

"""Consistency on rows without labels: a text and the same text written otherwise get one answer (Xie et al. 2020)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import Batch, Feature, LossFn, Method, Row, Strategy, Task
from tunesmith.core.registry import family
from tunesmith.training.strategies.unlabelled import batch_of, drawn, encoded, missing, unlabelled_rows

if TYPE_CHECKING:
    import torch

Augment = Literal["synonyms", "typos", "random_deletion", "random_swap"]


def consistency(logits: torch.Tensor, others: torch.Tensor, *, threshold: float, temperature: float) -> torch.Tensor:
    """Kullback-Leibler divergence of the answers to the rewritten texts from those to the texts: a scalar.

    The answers to the texts are sharpened and get no gradient; those below ``threshold`` do not count, and the mean is
    over all rows (section 2.2 and 2.3).

    Args:
        logits: of the texts, [rows, classes].
        others: of the rewritten texts, [rows, classes].
    """
    import torch
    from torch.nn.functional import kl_div, log_softmax

    with torch.no_grad():
        sure = logits.float().softmax(-1).amax(-1) >= threshold
        wanted = log_softmax(logits.float() / temperature, dim=-1)
    each = kl_div(log_softmax(others.float(), dim=-1), wanted, reduction="none", log_target=True).sum(-1)
    return (each * sure).mean()


class Uda(Strategy):
    """Each batch is joined by rows without labels, and by the same rows rewritten; both must get one answer.

    Args:
        path: rows without labels.
        rows: instead of a file.
        columns: role -> column of the file; others are guessed.
        augment: how rows are rewritten: names of augmentations, taken in turn.
        rate: share of the words or characters that are changed.
        copies: how many times each row is rewritten, before training begins.
        weight: of the consistency (lambda in eq. 1).
        threshold: answers that are less sure do not count (beta).
        temperature: sharpens the answers to the texts as they are (tau).
        ratio: rows without labels for each row with one.
    """

    name: ClassVar[str] = "uda"
    summary: ClassVar[str] = "a text without a label and its rewriting must get one answer (Xie et al. 2020)"

    def __init__(
        self,
        path: str = "",
        rows: list[dict[str, Any]] | None = None,
        columns: dict[str, str] | None = None,
        augment: list[Augment] | None = None,
        rate: Annotated[float, Field(gt=0, le=1)] = 0.2,
        copies: Annotated[int, Field(ge=1)] = 3,
        weight: Annotated[float, Field(ge=0)] = 1.0,
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.6,
        temperature: Annotated[float, Field(gt=0, le=1)] = 0.4,
        ratio: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        self.path = path
        self.rows = rows
        self.columns = columns or {}
        self.augment = augment or ["synonyms", "random_deletion", "random_swap"]
        self.rate = rate
        self.copies = copies
        self.weight = weight
        self.threshold = threshold
        self.temperature = temperature
        self.ratio = ratio
        self._run: Any = None
        self._rows: list[Row] = []
        self._texts: list[Feature] = []
        self._rewritten: list[list[Feature]] = []

    def fits(self, task: Task, method: Method) -> str | None:
        """For a class a text; rows without labels must be given."""
        if task.name != "text-classification":
            return f"rewriting moves what {task.name} reads or learns. It is for text-classification."
        return missing(self.path, self.rows)

    def prepare(self, run: Any) -> None:
        """Read the rows."""
        self._run = run
        self._rows = unlabelled_rows(run.task, self.path, self.rows, self.columns, self.name)

    def data(self, features: list[Feature]) -> list[Feature]:
        """Rewrite and encode the rows; of a long text, the first window is read."""
        self._texts = first_windows(encoded(self._run, self._rows, features))
        makers = [family("augmentations").make(name, {"rate": self.rate}) for name in self.augment]
        draw = random.Random(self._run.seed)
        self._rewritten = [
            first_windows(encoded(self._run, [_rewritten(row, makers[(i + k) % len(makers)], draw)
                                              for i, row in enumerate(self._rows)], features))
            for k in range(self.copies)
        ]  # fmt: skip
        return features

    def loss(self, compute: LossFn) -> LossFn:
        """The loss, and ``weight`` times the consistency of drawn rows."""

        def both(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            loss, outputs = compute(model, batch)
            if not model.training:
                return loss, outputs
            return loss + self.weight * self._apart(model, batch), outputs

        return both

    def _apart(self, model: Any, batch: Batch) -> torch.Tensor:
        import torch

        run = self._run
        some = drawn(run, len(self._texts), max(1, round(self.ratio * (len(run.indices) or run.batch_size))))
        copy = self._rewritten[(run.step + run.epoch) % self.copies]
        with torch.no_grad():
            wanted = run.task.forward(model, batch_of(run, [self._texts[i] for i in some], batch)).logits
        found = run.task.forward(model, batch_of(run, [copy[i] for i in some], batch)).logits
        return consistency(wanted, found, threshold=self.threshold, temperature=self.temperature)


def first_windows(features: Sequence[Feature]) -> list[Feature]:
    """The first feature of each row."""
    return [next(group) for _, group in groupby(features, key=lambda feature: feature["row"])]


def _rewritten(row: Row, maker: Any, draw: random.Random) -> Row:
    return {**row, "text": maker.rewrite(str(row["text"]), draw) or row["text"]}

"""A gap between groups in the loss: equal odds (Hardt et al. 2016) or equal shares, as a penalty on mean answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.core.errors import DataError
from tunesmith.data.groups import group_of

if TYPE_CHECKING:
    import torch

Criterion = Literal["demographic_parity", "equal_opportunity", "equalized_odds"]


LEAST = 10
"""Rows of a group, in training and seen so far, below which it is not compared: its mean would be chance."""
HORIZON = 40
"""Rows of a group that its running mean looks back over: more is steadier, and follows the model later."""


def squared_gap(means: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """``||mean answer of one group - of the other||^2``, the mean over pairs of groups and over columns: a scalar.

    Args:
        means: of probabilities, [groups, columns].
        known: bool [groups]; the others are left out.

    Returns:
        0 where no two groups are known.
    """
    import torch

    able = means[known]
    if len(able) < 2:
        return means.sum() * 0.0
    first, second = torch.triu_indices(len(able), len(able), offset=1, device=means.device)
    return (able[first] - able[second]).square().mean()


def compared(
    p: torch.Tensor, wanted: torch.Tensor, criterion: Criterion, place: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What of each row's answer is compared, [rows, columns], and with which other rows: int [rows], -1 for with none.

    Args:
        p: probabilities, [rows, classes].
        wanted: the true classes, int [rows].
        place: the class that counts; of "demographic_parity" all count where it is below 0.
    """
    import torch

    if criterion == "demographic_parity":
        return (p if place < 0 else p[:, place : place + 1]), torch.zeros_like(wanted)
    own = p.gather(1, wanted[:, None])
    if criterion == "equalized_odds":
        return own, wanted
    return own, torch.where(wanted == place, 0, -1)


class Fair(Strategy):
    """``loss + weight * gap``: groups of rows are to get their answers alike. The report shows the gap and its cost.

    A row's group is its role ``group``: ``data.group=COLUMN``. The model does not read it, and it is not asked for when
    the model answers.

    Args:
        criterion: "equalized_odds": rows of one true class get its probability alike, in every class;
            "equal_opportunity": in the class ``label`` only; "demographic_parity": all rows get each class alike,
            whatever is true.
        weight: of the squared gap.
        label: the class that counts.
    """

    name: ClassVar[str] = "fair"
    summary: ClassVar[str] = "a gap between groups of rows is a part of the loss (Hardt et al. 2016)"
    reads = ("group",)

    def __init__(
        self,
        criterion: Criterion = "equalized_odds",
        weight: Annotated[float, Field(ge=0)] = 5.0,
        label: str | None = None,
    ) -> None:
        self.criterion: Criterion = criterion
        self.weight = weight
        self.label = label
        self._run: Any = None
        self._names: list[str] = []
        self._groups: list[int] = []
        self._counts: torch.Tensor | None = None
        self._means: torch.Tensor | None = None
        self._seen: torch.Tensor | None = None

    def fits(self, task: Task, method: Method) -> str | None:
        """One class a text; a label where one must count."""
        if task.name != "text-classification":
            return f"it compares how often groups get a class, and a text of {task.name} has no one class."
        if self.criterion == "equal_opportunity" and self.label is None:
            return 'of criterion "equal_opportunity" it must know which class counts: label=CLASS.'
        if self.criterion == "equalized_odds" and self.label is not None:
            return 'criterion "equalized_odds" is of all classes; with label take "equal_opportunity".'
        labels = getattr(task, "labels", [])
        if self.label is not None and labels and self.label not in labels:
            return f'there is no class "{self.label}"; classes are {", ".join(labels)}.'
        return None

    def prepare(self, run: Any) -> None:
        """Look up the groups of the rows.

        Raises:
            DataError: there are no two groups.
        """
        self._run = run
        found = [group_of(row) for row in run.rows]
        self._names = sorted({name for name in found if name is not None})
        if len(self._names) < 2:
            raise DataError(
                f'training.strategies: "fair" compares groups, and the training rows have {self._names or "none"}.',
                "Name the column of the groups: data.group=COLUMN",
            )
        self._groups = codes(found, self._names)

    def start(self, run: Any) -> None:
        """Count the features of each group, by class where classes are compared apart."""
        import torch

        features = [f for f in run.features if 0 <= f["row"] < len(self._groups)]
        groups = torch.tensor([self._groups[f["row"]] for f in features])
        wanted = torch.tensor([int(f["target"]) for f in features])
        classes = len(run.task.labels)
        values, kinds = compared(torch.zeros(len(features), classes), wanted, self.criterion, self._place())
        shape = (classes if self.criterion == "equalized_odds" else 1, len(self._names))
        kept = (kinds >= 0) & (groups >= 0)
        self._counts = torch.zeros(shape).index_put_((kinds[kept], groups[kept]), torch.ones(()), accumulate=True)
        self._means = torch.zeros((*shape, values.shape[1]))
        self._seen = torch.zeros(shape)
        if not (self._counts >= LEAST).sum(1).gt(1).any():
            raise DataError(
                f'training.strategies: "fair" has no two groups of {LEAST} rows to compare.', "Give more rows of each."
            )

    def loss(self, compute: LossFn) -> LossFn:
        """The loss, and ``weight`` times the squared gap."""

        def both(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            loss, outputs = compute(model, batch)
            if not model.training:
                return loss, outputs
            p = outputs.logits.float().softmax(-1)
            return loss + self.weight * self.gap(p, batch["labels"], self._of_batch(batch)), outputs

        return both

    def gap(self, p: torch.Tensor, wanted: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
        """The squared gap of running means, with the gradient of the batch's share in them: a scalar.

        A batch holds too few rows of a group: their mean would be chance, and the square of chance draws all answers
        to one. So the mean is of the last rows of each group, and the batch's rows move it by what they are of all.

        Args:
            p: probabilities, [rows, classes].
            wanted: the true classes, int [rows].
            groups: int [rows]; below 0: of no group.
        """
        import torch

        assert self._means is not None and self._counts is not None and self._seen is not None
        self._means, self._seen, self._counts = (t.to(p.device) for t in (self._means, self._seen, self._counts))
        values, kinds = compared(p, wanted, self.criterion, self._place())
        kept = (kinds >= 0) & (groups >= 0)
        cells = (kinds[kept], groups[kept])
        each = values[kept]
        share = len(p) / max(1, len(self._run.features)) * self._counts
        moved = torch.zeros_like(self._means).index_put(cells, each - each.detach(), accumulate=True)
        means = self._means + moved / share.clamp(min=1e-9)[..., None]
        known = (self._seen >= LEAST) & (self._counts >= LEAST)
        gaps = [squared_gap(mean, there) for mean, there in zip(means, known, strict=True) if there.sum() > 1]
        self._remember(cells, each.detach())
        return torch.stack(gaps).mean() if gaps else p.sum() * 0.0

    def _remember(self, cells: tuple[torch.Tensor, torch.Tensor], values: torch.Tensor) -> None:
        import torch

        assert self._means is not None and self._seen is not None
        new = torch.zeros_like(self._seen).index_put(cells, torch.ones((), device=values.device), accumulate=True)
        sums = torch.zeros_like(self._means).index_put(cells, values, accumulate=True)
        self._seen = self._seen + new
        over = torch.minimum(self._seen, torch.full_like(self._seen, HORIZON)).maximum(new).clamp(min=1)
        self._means = self._means + (sums - new[..., None] * self._means) / over[..., None]

    def _of_batch(self, batch: Batch) -> torch.Tensor:
        """The group of each row of the batch, int [rows]; rows that a strategy brought have none."""
        import torch

        labels = batch["labels"]
        if self._run.brought is not None:
            return torch.full((len(labels),), -1, device=labels.device)
        rows = [self._run.features[i]["row"] for i in self._run.indices]
        groups = [self._groups[row] if 0 <= row < len(self._groups) else -1 for row in rows]
        return torch.tensor(groups, device=labels.device)

    def _place(self) -> int:
        return -1 if self.label is None else self._run.task.labels.index(self.label)

    def facts(self) -> dict[str, Any]:
        """What was asked for, which groups were compared, and the gap that training left on its own rows."""
        assert self._means is not None and self._counts is not None and self._seen is not None
        known = (self._seen >= LEAST) & (self._counts >= LEAST)
        gaps = [squared_gap(m, there) for m, there in zip(self._means, known, strict=True) if there.sum() > 1]
        left = float(sum(gaps) / len(gaps)) ** 0.5 if gaps else None
        names = [name for name, there in zip(self._names, known.any(0), strict=True) if there]
        words = f"fair: {self.criterion}, weight {self.weight:g}, between {', '.join(names) or 'no groups'}."
        if left is not None:
            words += f" On the training rows mean probabilities are {left:.3f} apart at the end."
        words += " parity_gap and odds_gap on the test rows stand beside the score: that is what it brought and cost."
        return {"criterion": self.criterion, "weight": self.weight, "groups": names, "gap": left, "words": words}

    def state(self) -> dict[str, Any]:
        """The running means."""
        return {"means": self._means, "seen": self._seen}

    def load_state(self, state: Any) -> None:
        """Take back what ``state`` returned."""
        self._means, self._seen = state["means"], state["seen"]


def codes(groups: Sequence[str | None], names: Sequence[str]) -> list[int]:
    """Places in ``names``; -1 for no group."""
    place = {name: i for i, name in enumerate(names)}
    return [-1 if group is None else place[group] for group in groups]

"""Learn from a teacher's answers: distillation (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tunesmith.core.contracts import Batch, LossFn, Method, Strategy, Task
from tunesmith.core.errors import RecipeError
from tunesmith.training.strategies import needs
from tunesmith.training.strategies.decisions import decides, decisions
from tunesmith.training.strategies.head_inputs import head_inputs
from tunesmith.training.strategies.teachers import FromBundle, answers, unusable

if TYPE_CHECKING:
    import torch


def softened(logits: torch.Tensor, teachers: Sequence[torch.Tensor], temperature: float) -> torch.Tensor:
    """``T^2 * KL(p || q)``, the mean over decisions: a scalar (Hinton et al. 2015, section 2).

    Args:
        logits: the student's; q is their softmax at the temperature. [decisions, classes].
        teachers: each one's; p is the mean of their softmaxes. [decisions, classes].
    """
    import torch

    if not len(logits):
        return logits.sum()
    p = torch.stack([torch.softmax(t.float() / temperature, dim=-1) for t in teachers]).mean(0)
    log_q = torch.log_softmax(logits / temperature, dim=-1)
    return temperature**2 * (torch.xlogy(p, p) - p * log_q).sum(-1).mean()


def alike(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """How far the likeness of rows to each other differs: a scalar, whatever the two widths.

    ``||G_s - G_t||^2 / rows^2`` with G the products of all rows, each row at length 1 (Tung & Mori 2019, eq. 4).
    """
    import torch

    one, other = (torch.nn.functional.normalize(v @ v.T, dim=-1) for v in (student.float(), teacher.float()))
    return (one - other).square().mean()


class Distill(Strategy):
    """``(1 - weight) * loss + weight * softened``, of one teacher or the mean of several.

    Teachers answer each batch anew, in the run's precision: windows and padding are the student's. Tasks without
    classes (text-embedding, text-regression) take their own divergence.

    Args:
        teacher: a bundle's folder, or several.
        weight: of the teacher, against the labels.
        temperature: T.
        hidden: weight of ``alike`` on what the output layers read; 0: logits alone.
    """

    name: ClassVar[str] = "distill"
    summary: ClassVar[str] = "learn from a teacher's answers (Hinton et al. 2015)"

    def __init__(
        self,
        teacher: str | list[str],
        weight: Annotated[float, Field(ge=0, le=1)] = 0.5,
        temperature: Annotated[float, Field(ge=1)] = 2.0,
        hidden: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        self.paths = [teacher] if isinstance(teacher, str) else list(teacher)
        self.weight = weight
        self.temperature = temperature
        self.hidden = hidden
        self.teachers: list[Any] = []
        self._run: Any = None

    def fits(self, task: Task, method: Method) -> str | None:
        """Not on vectors that were computed before, nor with bundles that cannot teach the task."""
        return needs.backbone(method) or next((why for path in self.paths if (why := unusable(path, task))), None)

    def start(self, run: Any) -> None:
        """Load the teachers.

        Raises:
            BundleError: one cannot be read.
            RecipeError: one does not fit the run.
        """
        self._run = run
        self.teachers = [FromBundle(path, run, f"{self.name}.teacher") for path in self.paths]
        if len({repr(teacher.columns and teacher.columns[0]) for teacher in self.teachers}) > 1:
            raise RecipeError(f"{self.name}.teacher: the teachers know different classes.", "Name teachers that agree.")
        if self.hidden and (not decides(run.task) or hasattr(run.task, "parts")):
            raise RecipeError(
                f"{self.name}.hidden compares what one output layer reads; {run.task.name} has none, or several.",
                "Leave hidden at 0.",
            )

    def loss(self, compute: LossFn) -> LossFn:
        """Labels and teachers together."""

        def taught(model: Any, batch: Batch) -> tuple[torch.Tensor, Any]:
            if not self.hidden or not model.training:
                loss, outputs = compute(model, batch)
                return (self.together(loss, self.distance(outputs, batch)) if model.training else loss), outputs
            with head_inputs(model) as read:
                loss, outputs = compute(model, batch)
            far = self._hidden_distance(read[-1], batch)
            return self.together(loss, self.distance(outputs, batch)) + self.hidden * far, outputs

        return taught

    def together(self, loss: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
        """Of the labels' loss, and the distance from the teachers."""
        return (1 - self.weight) * loss + self.weight * distance

    def distance(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """From the teachers; kinds of decisions weigh as many as they have."""
        run = self._run
        if not decides(run.task):
            apart = [run.task.divergence(outputs, teacher.answer(run, batch)) for teacher in self.teachers]
            mean: torch.Tensor = sum(apart[1:], apart[0]) / len(apart)
            return mean
        own = [made.logits for made in decisions(run.task, outputs, batch)]
        told = [answers(teacher, run, batch) for teacher in self.teachers]
        total = sum(len(logits) for logits in own)
        each = [
            softened(self._shared(logits), [kinds[i] for kinds in told], self.temperature)
            * (len(logits) / max(1, total))
            for i, logits in enumerate(own)
        ]
        return sum(each[1:], each[0])

    def _shared(self, logits: torch.Tensor) -> torch.Tensor:
        """The student's logits of the classes that its teachers know."""
        known = self.teachers[0].columns
        return logits if known is None else logits[:, known[0]]

    def _hidden_distance(self, vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
        mask = batch["attention_mask"]
        found = []
        for teacher in self.teachers:
            with head_inputs(teacher.model) as read:
                teacher.answer(self._run, batch)
            if read:
                found.append(alike(_flat(vectors, mask), _flat(read[-1], mask)))
        return sum(found[1:], found[0]) / len(found) if found else vectors.sum() * 0


def _flat(vectors: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """One vector a row, padding out of it."""
    return vectors if vectors.ndim == 2 else (vectors * mask.unsqueeze(-1)).flatten(1)

"""Model soup: the weights of several bundles averaged into one, which costs no more to ask (Wortsman et al. 2022)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunesmith.bundle.layout import WEIGHTS
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.core.errors import BundleError
from tunesmith.models.heads import mean
from tunesmith.pipeline.members import as_figure, members_of, planned, task_of, tokenizer_of, told
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.run import Addition, Run, run
from tunesmith.training.loop import Trained

if TYPE_CHECKING:
    import torch

How = Literal["greedy", "uniform"]
Weights = Mapping[str, "torch.Tensor"]
AGAIN = "Average bundles of one task, one model and one data file, tuned with different settings or seeds."


def averaged(members: Sequence[Weights]) -> dict[str, torch.Tensor]:
    """The mean of each weight, in fp32; what is no fraction (positions, counts) is the first's."""
    import torch

    first = members[0]
    return {
        name: torch.stack([member[name].float() for member in members]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value.clone()
        for name, value in first.items()
    }


def greedily(count: int, score: Callable[[Sequence[int]], float]) -> list[int]:
    """Which of ``count`` members, the best first, are taken (algorithm 1): each that does not make the average worse.

    Args:
        score: of the average of some members, on the validation rows; higher is better.
    """
    taken, best = [0], score([0])
    for i in range(1, count):
        found = score([*taken, i])
        if found >= best:
            taken, best = [*taken, i], found
    return taken


def soup(
    bundles: Sequence[str | Path], overrides: Sequence[str] = (), *, how: How = "greedy", overwrite: bool = False
) -> Bundle:
    """Average bundles, and prove the average like any other model.

    Args:
        bundles: folders, two or more.
        overrides: of the recipe: ``bundle=out/soup``, ``data.path=FILE`` where the file has moved.
        how: "greedy" takes what does not make the validation figure worse, "uniform" takes all.

    Raises:
        TunesmithError: they do not belong together, or their data cannot be read again.
    """
    same = {"task": task_of, "shape of the weights": _shapes, "tokenizer": tokenizer_of}
    members = members_of(bundles, "soup", same, AGAIN)
    made = planned(members, overrides, "soup", AGAIN, chosen=how == "greedy", replace=overwrite)
    stirred = _Stirred(members, how)
    return run(made, replace=overwrite, fresh=True, addition=stirred, kind=stirred.run)


def _shapes(bundle: Bundle) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(bundle.path / WEIGHTS, "pt") as weights:
        return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118


@dataclass
class _Stirred(Addition):
    """The run's place where it trains, and what its report says of it."""

    members: Sequence[Bundle]
    how: How

    def run(self, plan: Plan, folder: Path, addition: Addition) -> Run:
        """The run that averages."""
        self._run = _SoupRun(plan, folder, addition, self.members, self.how)
        return self._run

    def proven(self, predictor: Predictor, report: dict[str, Any], folder: Path) -> None:
        """Who is in it."""
        run = self._run
        metric, names = run.plan.task.choosing[0], [str(run.members[i].path) for i in run.taken]
        words = f"A {self.how} soup of {len(names)} of {len(run.members)} bundles: {', '.join(names)}."
        report["data_notes"].append(words)
        report["soup"] = {
            "how": self.how,
            "metric": metric,
            "members": [
                {**told(member), "validation": score, "taken": i in run.taken}
                for i, (member, score) in enumerate(zip(run.members, run.scores, strict=True))
            ],
            "words": words,
        }


class _SoupRun(Run):
    """A run that averages where others train. "Before" is the member that is best on the validation rows."""

    titles = {"before": "the best member"}

    def __init__(self, plan: Plan, folder: Path, addition: Addition, members: Sequence[Bundle], how: How) -> None:
        super().__init__(plan, folder, addition)
        from safetensors.torch import load_file

        self.how = how
        self.taken: list[int] = []
        weights = [load_file(member.path / WEIGHTS) for member in members]
        scores = [self._score([member]) for member in weights]
        order = sorted(range(len(members)), key=lambda i: -scores[i] if scores[i] == scores[i] else float("inf"))
        self.members, self.weights = [members[i] for i in order], [weights[i] for i in order]
        self.scores = [as_figure(plan.task, scores[i], plan.task.choosing[0]) for i in order]
        self._put(self.weights[:1])

    def tuned(self) -> tuple[dict[str, int], Trained, bool]:
        """Average; nothing is trained."""
        begun = time.monotonic()
        self.stage("soup", self._stir)
        self.model.eval()
        self._choose()
        counts = {"all": sum(p.numel() for p in self.model.parameters()), "trained": 0}
        return counts, Trained([], 0, 0, time.monotonic() - begun, 0.0), False

    def _stir(self) -> None:
        everyone = range(len(self.members))
        self.taken = (
            list(everyone) if self.how == "uniform"
            else greedily(len(everyone), lambda some: self._score([self.weights[i] for i in some]))
        )  # fmt: skip
        self._put([self.weights[i] for i in self.taken])

    def _score(self, members: Sequence[Weights]) -> float:
        """Of the average of some members on the validation rows, higher is better; 0 without such rows."""
        self._put(members)
        measure = self._validation(self.model)
        if measure is None:
            return 0.0
        with mean.shortened(self.model):
            metric = self.plan.task.choosing[0]
            return as_figure(self.plan.task, float(measure()[metric]), metric)

    def _put(self, members: Sequence[Weights]) -> None:
        missing, odd = self.model.load_state_dict(averaged(members), strict=False)
        tied = set(self.model.state_dict()) - set(members[0])
        if odd or set(missing) - tied:
            raise BundleError(f"The weights do not fit the model: {(odd or missing)[0]}.", AGAIN)
        self.model.eval()

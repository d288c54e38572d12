"""An ensemble: several bundles that answer together, each as often as it helps (Caruana et al. 2004)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.bundle.runtimes.torch import TorchRuntime, load_model
from tunesmith.core.errors import RecipeError
from tunesmith.models.heads import mean
from tunesmith.models.together import Together
from tunesmith.pipeline.members import as_figure, members_of, planned, task_of, tokenizer_of, told, worth
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.run import Addition, Run, run
from tunesmith.tasks.likelihood import Likelihood
from tunesmith.training.loop import Trained

How = Literal["selected", "equal"]
ROUNDS = 20
"""Times that a member is taken at most, all together."""
AGAIN = "Put bundles together that have one task, one tokenizer and one data file."
WITHOUT = ("text-embedding", "entities-and-relations")
"""Tasks whose outputs have no mean (nor have texts): vectors of different models, pairs that each found itself."""


def selected(count: int, score: Callable[[Sequence[int]], float], rounds: int = ROUNDS) -> list[int]:
    """How often each of ``count`` members is taken: forward selection with replacement (Caruana et al. 2004, 2.2).

    Each round takes the member that makes the mean best; the best mean of all rounds, the smallest first, is kept.

    Args:
        score: of the mean of some members, each as often as it stands there; higher is better.
    """
    taken: list[int] = []
    best, kept = float("-inf"), taken
    for _ in range(rounds):
        scores = [score([*taken, i]) for i in range(count)]
        found = max(range(count), key=lambda i: (scores[i], -i))
        taken = [*taken, found]
        if scores[found] > best:
            best, kept = scores[found], taken
    times = Counter(kept)
    return [times[i] for i in range(count)]


def ensemble(
    bundles: Sequence[str | Path],
    overrides: Sequence[str] = (),
    *,
    how: How = "selected",
    weights: Sequence[float] = (),
    overwrite: bool = False,
) -> Bundle:
    """Put bundles together, and prove the ensemble like any other model.

    Args:
        bundles: folders, two or more; they may be of different models with one tokenizer.
        overrides: of the recipe: ``bundle=out/ensemble``, ``data.path=FILE`` where the file has moved.
        how: "selected" chooses weights on the validation rows, "equal" gives all the same.
        weights: one a bundle, instead of ``how``.

    Raises:
        TunesmithError: they do not belong together, or their data cannot be read again.
    """
    if weights and (len(weights) != len(bundles) or min(weights) < 0 or not sum(weights)):
        raise RecipeError(
            f"{len(bundles)} bundles have {len(weights)} weights: {', '.join(f'{w:g}' for w in weights)}.",
            "Give each a weight of 0 or more, in their order: --weights 2,1,1",
        )
    members = members_of(bundles, "ensemble", {"task": task_of, "tokenizer": tokenizer_of}, AGAIN)
    if members[0].manifest.task.name in WITHOUT or isinstance(members[0].task, Likelihood):
        raise RecipeError(f"The outputs of {members[0].manifest.task.name} have no mean.", "Take the best bundle.")
    chosen = how == "selected" and not weights
    made = planned(members, overrides, "ensemble", AGAIN, chosen=chosen, replace=overwrite)
    joined = _Joined(members, [1.0] * len(members) if not (weights or chosen) else list(weights))
    return run(made, replace=overwrite, fresh=True, addition=joined, kind=joined.run)


@dataclass
class _Joined(Addition):
    """The run's place where it puts together, and what its report says of it. Without weights they are chosen."""

    members: Sequence[Bundle]
    weights: list[float] = field(default_factory=list)

    def run(self, plan: Plan, folder: Path, addition: Addition) -> Run:
        """The run that puts together."""
        self._run = _EnsembleRun(plan, folder, addition, self.members, self.weights)
        return self._run

    def proven(self, predictor: Predictor, report: dict[str, Any], folder: Path) -> None:
        """Who is in it, and with which weight."""
        run = self._run
        shares = np.asarray(run.weights) / sum(run.weights)
        names = [f"{m.path} ({s:.0%})" for m, s in zip(self.members, shares, strict=True) if s]
        words = f"An ensemble of {len(names)} of {len(self.members)} bundles: {', '.join(names)}."
        report["data_notes"].append(words)
        report["ensemble"] = {
            "metric": run.plan.task.metrics[0],
            "chosen": not self.weights,
            "members": [
                {**told(member), "validation": score, "weight": float(share)}
                for member, score, share in zip(self.members, run.scores, shares, strict=True)
            ],
            "words": words,
        }


class _EnsembleRun(Run):
    """A run that puts together where others train. "Before" is the member that is best on the validation rows."""

    titles = {"before": "the best member"}

    def __init__(
        self, plan: Plan, folder: Path, addition: Addition, members: Sequence[Bundle], weights: Sequence[float]
    ) -> None:
        super().__init__(plan, folder, addition)
        self.models = [load_model(member).to(plan.machine.device).eval() for member in members]
        self.weights = list(weights)
        rows = plan.data.validation
        self._features = self._encoded(rows) if rows else []
        self._outputs = [self._of(model) for model in self.models]
        worths = [self._worth([i]) for i in range(len(members))]
        self.scores: list[float] = [as_figure(plan.task, found) for found in worths]
        self.model = self.computing = self.models[int(np.argmax(worths))]

    def tuned(self) -> tuple[dict[str, int], Trained, bool]:
        """Choose the weights; nothing is trained."""
        begun = time.monotonic()
        self.weights = self.weights or [float(n) for n in self.stage("select", self._select)]
        own = [(model, weight) for model, weight in zip(self.models, self.weights, strict=True) if weight]
        self.model = self.computing = Together(*zip(*own, strict=True)).eval()
        self._choose()
        counts = {"all": sum(p.numel() for p in self.model.parameters()), "trained": 0}
        return counts, Trained([], 0, 0, time.monotonic() - begun, 0.0), False

    def _select(self) -> list[int]:
        return selected(len(self.models), self._worth)

    def _of(self, model: Any) -> list[np.ndarray]:
        """What a member gives for the validation rows: one array a feature."""
        runtime = TorchRuntime(model, precision=self.plan.machine.precision)
        with mean.shortened(model):
            return Predictor(self.task, self.processor, runtime, max_length=self.plan.max_length).infer(self._features)

    def _worth(self, some: Sequence[int]) -> float:
        """Of the mean of some members on the validation rows, higher is better; 0 without such rows."""
        rows = self.plan.data.validation
        if not rows:
            return 0.0
        arrays = [np.mean(same, axis=0) for same in zip(*(self._outputs[i] for i in some), strict=True)]
        return worth(self.task, self.task.evidence(rows, self.task.decode(arrays, self._features)))

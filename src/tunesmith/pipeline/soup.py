"""Model soup: the weights of several bundles averaged into one, which costs no more to ask (Wortsman et al. 2022)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunesmith.bundle.layout import WEIGHTS
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.core.errors import BundleError, RecipeError
from tunesmith.core.recipe import PluginBlock, Recipe
from tunesmith.evaluation.metrics import METRICS
from tunesmith.models.heads import mean
from tunesmith.pipeline.plan import Plan, plan
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
    members = [read_bundle(path) for path in bundles]
    _belong_together(members)
    first = members[0]
    values = {**first.manifest.recipe, "model": {**first.manifest.recipe["model"], "name": str(first.path)}}
    recipe = Recipe.parse({**values, "bundle": str(_free_soup(first.path))}, overrides)
    training = recipe.training.model_copy(update={"strategies": []})
    recipe = recipe.model_copy(update={"method": PluginBlock(name="full"), "training": training})
    planned = plan(recipe, replace=overwrite)
    _of_the_same_rows(members, planned, how)
    planned.parent = str(first.manifest.to_json()["seal"])
    stirred = _Stirred(members, how)
    return run(planned, replace=overwrite, fresh=True, addition=stirred, kind=stirred.run)


def _free_soup(path: Path) -> Path:
    names = ["soup", *(f"soup-{i}" for i in range(2, 10_000))]
    return next(place for name in names if not (place := path.with_name(name)).exists())


def _belong_together(members: Sequence[Bundle]) -> None:
    if len(members) < 2:
        raise RecipeError("A soup is of two bundles or more.", "tunesmith soup out/a out/b bundle=out/soup")
    first = members[0]
    if first.manifest.task.name == "mixture":
        raise RecipeError("A soup of mixtures is not made: their parts have heads of their own.", AGAIN)
    for member in members:
        if not (member.path / WEIGHTS).is_file():
            raise BundleError(
                f"{member.path} has no {WEIGHTS}: its method ({member.manifest.method.name}) keeps the base apart.",
                "Average bundles whose method is merged: full, freeze, head, lora ...",
            )
        for what, of in (("task", _task), ("shape of the weights", _shapes), ("tokenizer", _tokenizer)):
            if of(member) != of(first):
                raise BundleError(f"{member.path} and {first.path} differ in their {what}.", AGAIN)


def _task(bundle: Bundle) -> Any:
    record = bundle.manifest.task
    return record.name, record.state.get("labels"), bundle.manifest.max_length, bundle.manifest.pooling


def _shapes(bundle: Bundle) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(bundle.path / WEIGHTS, "pt") as weights:
        return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118


def _tokenizer(bundle: Bundle) -> Any:
    return bundle.processor.get_vocab()


def _of_the_same_rows(members: Sequence[Bundle], planned: Plan, how: How) -> None:
    """Rows that one member learned from must be no other's test rows."""
    for member in members:
        for part in ("train", "validation", "test"):
            then, now = member.manifest.data.get(part), planned.data.fingerprints[part]
            if then is None or then["sha256"] != now["sha256"]:
                raise BundleError(
                    f"{member.path} was not tuned on the {part} rows that {planned.recipe.data.path} gives now.", AGAIN
                )
    if how == "greedy" and not planned.data.validation:
        raise RecipeError("A greedy soup is chosen on validation rows, and there are none.", "Take --how uniform.")


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
        metric, names = run.plan.task.metrics[0], [str(run.members[i].path) for i in run.taken]
        words = f"A {self.how} soup of {len(names)} of {len(run.members)} bundles: {', '.join(names)}."
        report["data_notes"].append(words)
        report["soup"] = {
            "how": self.how,
            "metric": metric,
            "members": [
                {
                    "path": str(member.path), "seal": member.manifest.to_json()["seal"], "validation": score,
                    "taken": i in run.taken,
                }
                for i, (member, score) in enumerate(zip(run.members, run.scores, strict=True))
            ],
            "words": words,
        }  # fmt: skip


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
        sign = 1 if METRICS.load(plan.task.metrics[0]).higher_is_better else -1
        self.scores = [sign * scores[i] for i in order]
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
            metric = self.plan.task.metrics[0]
            found = float(measure()[metric])
        return found if METRICS.load(metric).higher_is_better else -found

    def _put(self, members: Sequence[Weights]) -> None:
        missing, odd = self.model.load_state_dict(averaged(members), strict=False)
        tied = set(self.model.state_dict()) - set(members[0])
        if odd or set(missing) - tied:
            raise BundleError(f"The weights do not fit the model: {(odd or missing)[0]}.", AGAIN)
        self.model.eval()

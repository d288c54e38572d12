"""Trials in a database, by Optuna (Akiba et al. 2019): what to try next, what to give up, what mattered.

All that is known of a search lies in the database, so a killed one goes on from it, and several processes share it.
"""

from __future__ import annotations

import math
import platform
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from tunesmith.core.comparable import comparable
from tunesmith.core.errors import RecipeError, TrainingError, did_you_mean
from tunesmith.core.extras import need
from tunesmith.search.space import Choice, Dimension, Space

SAMPLERS = {"tpe": "TPESampler", "random": "RandomSampler", "gp": "GPSampler"}
"""tpe: tree-structured Parzen estimators (Bergstra et al. 2011); gp: a Gaussian process."""
PRUNERS = ("median", "halving", "none")
"""median: worse at this evaluation than half of the trials were; halving: successive halving (Jamieson 2016)."""
KEPT = ("evaluations", "seconds", "place", "defaults")
"""What is known of a trial that was killed, and stays known."""
AT = "at"
"""Where a trial is under way: machine and folder. Two machines may share a database, but not each other's trials."""
STARTUP = 4
"""Whole trials before any is given up."""


@dataclass(frozen=True)
class Record:
    """A trial that has ended, or is under way."""

    number: int
    state: str
    """"complete", "pruned", "failed" or "running"."""
    value: float | None
    """Best on the validation rows; of a pruned trial, the last."""
    settings: dict[str, Any]
    seconds: float | None = None
    """That it took; over several processes where it was killed."""
    whole_seconds: float | None = None
    """That it would have taken, had it not been given up."""
    error: str = ""


@dataclass
class Study:
    """The trials of one search.

    Args:
        storage: a database's URL, ``sqlite:///file.db``.
        name: of the search in it; the same search has the same name.
        space: what is tried.
        maximize: whether higher is better.
        sampler: one of ``SAMPLERS``.
        pruner: one of ``PRUNERS``.
        seed: of the draws; the n-th trial draws the same however often the search was killed.
        folder: for the lock that parallel processes take while they ask.
        parallel: whether several processes ask.

    Raises:
        ExtraMissing: optuna is not installed.
        RecipeError: the sampler, the pruner or the storage cannot be had.
    """

    storage: str
    name: str
    space: Space
    maximize: bool
    sampler: str = "tpe"
    pruner: str = "median"
    seed: int = 13
    folder: Path = Path()
    parallel: bool = False
    study: Any = field(init=False)

    def __post_init__(self) -> None:
        self._optuna = optuna()
        check_names(self.sampler, self.pruner)
        self._here = f"{platform.node()}:{self.folder.resolve()}"
        try:
            self.study = self._optuna.create_study(
                storage=self.storage,
                study_name=self.name,
                load_if_exists=True,
                direction="maximize" if self.maximize else "minimize",
                pruner=self._pruner(),
            )
        except Exception as error:  # whatever the database's own library raises
            first = " ".join(str(error).split())[:200]
            raise RecipeError(
                f'--storage is "{self.storage}", which cannot be opened: {first}', "For example sqlite:///trials.db"
            ) from error
        self._distributions = {key: self._distribution(dimension) for key, dimension in self.space.items()}

    def revive(self, *, alone: bool = False) -> int:
        """Queue again what a killed process was at, with the evaluations that it had; how many there were.

        To be called while no other process is at this search in this folder. Trials of other folders and machines are
        left to them: they may be alive.

        Args:
            alone: whether the storage is of this folder alone. Then there are no others: the machine was called
                otherwise, as a container is that is made anew, or the folder was moved.
        """
        states = self._optuna.trial.TrialState
        stale = [t for t in self._running() if alone or t.user_attrs.get(AT, self._here) == self._here]
        for trial in stale:
            self.study.tell(trial.number, state=states.FAIL)
            known = {key: trial.user_attrs[key] for key in KEPT if key in trial.user_attrs}
            self.study.enqueue_trial(trial.params, user_attrs={**known, "instead_of": trial.number})
        return len(stale)

    def elsewhere(self) -> list[str]:
        """Where trials are under way that are not of this folder, as "machine:folder"; once each."""
        places = {str(t.user_attrs.get(AT, self._here)) for t in self._running()}
        return sorted(places - {self._here})

    def suggest(self, settings: dict[str, Any]) -> None:
        """Queue settings to be tried first, if nothing was tried yet and the space holds them all."""
        fits = set(settings) == set(self.space) and all(self.space[key].holds(v) for key, v in settings.items())
        if fits and not self.study.get_trials(deepcopy=False):
            self.study.enqueue_trial(settings, user_attrs={"defaults": True})

    def ask(self, most: int) -> Any:
        """The next trial (Optuna's), or None where ``most`` have been asked for."""
        with FileLock(self.folder / "ask.lock"):
            states = self._optuna.trial.TrialState
            asked = sum(t.state != states.WAITING for t in self._counted())
            if asked >= most:
                return None
            self.study.sampler = self._sampler(asked)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trial = self.study.ask(self._distributions)
            if "place" not in trial.user_attrs:
                trial.set_user_attr("place", trial.number)
            trial.set_user_attr(AT, self._here)
            return trial

    def evaluated(self, trial: Any, number: int, step: int, value: float) -> bool:
        """Write an evaluation down; whether the trial is to be given up."""
        seen = [*trial.user_attrs.get("evaluations", [])]
        if [step, value] not in seen:
            trial.set_user_attr("evaluations", [*seen, [step, value]])
        if math.isnan(value):
            return False
        trial.report(value, number)
        return bool(trial.should_prune())

    def tell(self, trial: Any, value: float | None, *, pruned: bool = False, error: str = "") -> None:
        """The trial has ended."""
        states = self._optuna.trial.TrialState
        if error:
            trial.set_user_attr("error", error)
        if pruned:
            self.study.tell(trial, state=states.PRUNED)
        elif value is None or math.isnan(value):
            self.study.tell(trial, state=states.FAIL)
        else:
            self.study.tell(trial, value)

    def records(self) -> list[Record]:
        """All trials that count, in order; the numbers are counted anew, from 1."""
        words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
        trials = [t for t in self._counted() if t.state.name in words]
        return [
            Record(
                i,
                words[t.state.name],
                t.value,
                t.params,
                t.user_attrs.get("seconds"),
                t.user_attrs.get("whole_seconds"),
                t.user_attrs.get("error", ""),
            )
            for i, t in enumerate(trials, 1)
        ]

    def defaults(self) -> int | None:
        """The number, as in ``records``, of the trial of the method's defaults."""
        numbers = (i for i, t in enumerate(self._counted(), 1) if t.user_attrs.get("defaults"))
        return next(numbers, None)

    def best(self) -> Record:
        """The best whole trial; of several alike, the first: the defaults, where nothing beats them.

        Raises:
            TrainingError: there is none.
        """
        records = self.records()
        whole = [r for r in records if r.state == "complete" and r.value is not None]
        if not whole:
            why = next((r.error for r in records if r.error), "")
            raise TrainingError(
                f"None of {len(records)} trials came to its end{f': {why}' if why else ''}.",
                "Narrow search.space, or look at one trial: tunesmith tune with its settings.",
            )
        sign = 1 if self.maximize else -1
        return max(whole, key=lambda r: sign * comparable(float(r.value or 0.0)))

    def importance(self) -> dict[str, float]:
        """Share of each setting in what made trials good or bad (PED-ANOVA, Watanabe et al. 2023), largest first.

        Empty where there are too few trials to tell.
        """
        whole = [r for r in self.records() if r.state == "complete"]
        if len(whole) < STARTUP or len({r.value for r in whole}) < 2:
            return {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                evaluator = self._optuna.importance.PedAnovaImportanceEvaluator()
                found = self._optuna.importance.get_param_importances(self.study, evaluator=evaluator)
        except (ValueError, RuntimeError):
            return {}
        return {key: float(share) for key, share in found.items() if math.isfinite(share)}

    def _running(self) -> list[Any]:
        return list(self.study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.RUNNING,)))

    def _counted(self) -> list[Any]:
        """Trials but for those that were killed and stand in the queue again."""
        trials = self.study.get_trials(deepcopy=False)
        again = {t.user_attrs["instead_of"] for t in trials if "instead_of" in t.user_attrs}
        return [t for t in trials if t.number not in again]

    def _sampler(self, asked: int) -> Any:
        options: dict[str, Any] = {"seed": self.seed * 1000 + asked}
        if self.sampler == "tpe":
            options |= {"n_startup_trials": 8, "multivariate": True, "constant_liar": self.parallel}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # multivariate is called experimental
            return getattr(self._optuna.samplers, SAMPLERS[self.sampler])(**options)

    def _pruner(self) -> Any:
        pruners = self._optuna.pruners
        if self.pruner == "none":
            return pruners.NopPruner()
        if self.pruner == "halving":
            return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
        return pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=2)

    def _distribution(self, dimension: Dimension) -> Any:
        kinds = self._optuna.distributions
        if isinstance(dimension, Choice):
            return kinds.CategoricalDistribution(dimension.values)
        if dimension.whole:
            return kinds.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
        return kinds.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def optuna() -> Any:
    """The library, its chatter off.

    Raises:
        ExtraMissing: it is not installed.
    """
    found: Any = need("optuna", extra="search", purpose="tunesmith search")
    found.logging.set_verbosity(found.logging.ERROR)
    return found


def check_names(sampler: str, pruner: str) -> None:
    """Raise ``RecipeError`` where one of them is not known."""
    for option, name, known in (("--sampler", sampler, tuple(SAMPLERS)), ("--pruner", pruner, PRUNERS)):
        if name not in known:
            raise RecipeError(f'{option} is "{name}", which is not known.', did_you_mean(name, known))

"""Search for a prompt: templates, words, examples and their orders, on validation rows; the winner becomes a bundle."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle
from tunesmith.core.contracts import Evidence, Feature, Row
from tunesmith.core.errors import DataError, RecipeError, did_you_mean
from tunesmith.core.recipe import Recipe
from tunesmith.evaluation.baselines.measured import measured as baseline_measured
from tunesmith.evaluation.metrics import METRICS
from tunesmith.pipeline.plan import Plan, as_recipe, plan
from tunesmith.pipeline.run import Addition, Run, run
from tunesmith.pipeline.transcribed import prepared
from tunesmith.tasks.prompted import PROMPTS
from tunesmith.tasks.prompted.prompted import Prompted, leaning
from tunesmith.tasks.prompted.templates import Template, Words, templates, words_for
from tunesmith.tasks.text_classification import TextClassification
from tunesmith.training.loop import Trained

KEPT = 2
"""Zero-shot candidates that are tried with examples, too."""
ORDERS = ("near-last", "near-first", "drawn", "fixed")


@dataclass(frozen=True)
class PromptOptions:
    """What the search may spend.

    Args:
        way: a name of the family prompts without "prompted-": likelihood, cloze, entailment, similarity.
        shots: numbers of examples that are tried; 0 is always.
        orders: how many orders of examples are tried for each number.
        rows: validation rows that candidates are held to, drawn by the recipe's seed.
        templates: a file of the user's own.
        test_all: measure every zero-shot template on the test rows, too, for a table.
        test_rows: of the test rows, at most so many; None: all.
    """

    way: str = "similarity"
    shots: tuple[int, ...] = (0,)
    orders: int = 2
    rows: int = 100
    templates: str | None = None
    test_all: bool = False
    test_rows: int | None = None


@dataclass(frozen=True)
class Candidate:
    """A way to ask."""

    template: Template
    words: Words
    shots: int = 0
    order: str = "near-last"

    @property
    def title(self) -> str:
        """For tables."""
        behind = f", {self.shots} examples {self.order}" if self.shots else ""
        return f"{self.template.name}/{self.words.name}{behind}"

    @property
    def state(self) -> dict[str, Any]:
        """What the task is told."""
        return {"template": self.template.text, "words": dict(self.words.by_label), "shots": self.shots,
                "order": self.order}  # fmt: skip


def prompt(
    data: Any, overrides: Iterable[str] = (), options: PromptOptions | None = None, *, overwrite: bool = False
) -> Bundle:
    """Search a prompt for labelled rows, and save what was found; nothing is trained.

    Raises:
        TunesmithError: what does not fit.
    """
    chosen = options or PromptOptions()
    name = f"prompted-{chosen.way}"
    if name not in PROMPTS:
        raise RecipeError(f'There is no way to ask "{chosen.way}".', did_you_mean(name, PROMPTS))
    recipe = as_recipe(data, overrides)
    if recipe.task.name not in ("auto", name):
        raise RecipeError(f"task is {recipe.task.name}; the way to ask is {chosen.way}.", "Leave out task=.")
    made = _planned(recipe, name, chosen, overwrite)
    if not made.data.validation:
        raise DataError("There are no validation rows to choose a prompt by.", "Set data.split.validation=0.3.")
    search = _Search(chosen)
    return run(made, replace=overwrite, fresh=True, addition=search, kind=search.run)


def _planned(recipe: Recipe, name: str, options: PromptOptions, overwrite: bool) -> Plan:
    found = prepared(recipe.data, "text-classification", recipe.training.device)
    if options.test_rows and len(found.test) > options.test_rows:
        found.test = random.Random(13).sample(found.test, options.test_rows)
        found.notes.append(f"{options.test_rows} of the test rows were drawn.")
    task = recipe.task.model_copy(update={"name": name})
    return plan(recipe.model_copy(update={"task": task}), replace=overwrite, data=replace(found, task=name))


class _Search(Addition):
    """The run's place where it searches, and what its report says of it."""

    def __init__(self, options: PromptOptions) -> None:
        self.options = options

    def run(self, plan: Plan, folder: Path, addition: Addition) -> Run:
        """The run that searches."""
        self._run = _PromptRun(plan, folder, addition, self.options)
        return self._run

    def proven(self, predictor: Predictor, report: dict[str, Any], folder: Path) -> None:
        """Every candidate, and how far templates are apart."""
        report["prompts"] = self._run.told
        report["data_notes"].append(self._run.told["words"])


class _PromptRun(Run):
    """A run that searches where others train. "Before" is the plainest template, not calibrated."""

    titles = {"before": "the plainest prompt", "after": "the chosen prompt"}

    def __init__(self, plan: Plan, folder: Path, addition: Addition, options: PromptOptions) -> None:
        super().__init__(plan, folder, addition)
        assert isinstance(plan.task, Prompted)
        self.prompted, self.options = plan.task, options
        rows = plan.data.validation
        draw = random.Random(plan.recipe.training.seed)
        self.rows = rows if len(rows) <= options.rows else draw.sample(rows, options.rows)
        self.told: dict[str, Any] = {}
        self.able = self._zero_shot()
        self.prompted.ask(**self.able[0].state, bias=None)  # the plainest that this model can be asked by

    def _baselines(self, evidences: dict[str, Evidence], seconds: dict[str, dict[str, float]]) -> None:
        """Those of text-classification, learned from the same training rows."""
        plain = TextClassification()
        plain.restore({key: self.prompted.state[key] for key in ("labels", "counts")})
        for name in ("majority", "tfidf"):
            made = baseline_measured(name, plain, self.plan.data.train, self.plan.data.test, self.plan.data.language)
            evidences[name] = made.evidence
            seconds[name] = {"fit": made.seconds_fit, "predict": made.seconds_predict}

    def tuned(self) -> tuple[dict[str, int], Trained, bool]:
        """Choose; nothing is trained."""
        begun = time.monotonic()
        self.stage("select", self._choose_prompt)
        counts = {"all": sum(p.numel() for p in self.model.parameters()), "trained": 0}
        return counts, Trained([], 0, 0, time.monotonic() - begun, 0.0), False

    def _choose_prompt(self) -> None:
        task = self.prompted
        first = self.able
        tried = [self._tried(one) for one in first]
        best = sorted(tried, key=_worth, reverse=True)
        if task.takes_shots:
            for count in sorted({n for n in self.options.shots if n}):
                for order in ORDERS[: max(1, self.options.orders)]:
                    for found in best[:KEPT]:
                        tried.append(self._tried(replace(found["candidate"], shots=count, order=order)))
        winner = max(tried, key=_worth)
        self.told = _told(tried, len(first), len(self.rows), task.metrics[0])
        if self.options.test_all:
            self.told["test"] = [self._on_test(one) for one in tried]
        self._ask(winner, calibrated=winner["calibrated_wins"])
        if not winner["candidate"].shots:
            task.ask(pool=[])  # texts of training rows have no business in a bundle that does not show them

    def _zero_shot(self) -> list[Candidate]:
        task, language = self.prompted, self.plan.data.language
        given = None if task.words is None else {str(key): word for key, word in task.words.items()}
        found = templates(task.way, language, task.labels, self.options.templates)
        if task.template is not None:
            found = [Template("given", task.template)]
        every = [Candidate(one, words) for one in found for words in words_for(task.labels, language, given)]
        able, why = [], None
        for one in every:
            task.ask(**one.state, bias=None)
            try:
                task.encode(self.rows[:1], self.processor, max_length=self.plan.max_length, targets=False)
                able.append(one)
            except RecipeError as error:  # a word that is no token of this model
                why = error
        if not able:
            raise why or RecipeError("There is no template to try.", "Give some: --templates FILE.")
        return able

    def _tried(self, candidate: Candidate) -> dict[str, Any]:
        """A candidate's figures on the validation rows, as it is and calibrated."""
        task = self.prompted
        task.ask(**candidate.state, bias=None)
        scores, features = self._scores(self.rows)
        free, _ = self._scores(task.free_rows())
        bias = leaning(np.stack(free))
        plain = self._figures(scores, features, None)
        calibrated = self._figures(scores, features, bias)
        metric = task.metrics[0]
        return {"candidate": candidate, "title": candidate.title, "bias": bias, "plain": plain,
                "calibrated": calibrated, "calibrated_wins": calibrated[metric] > plain[metric]}  # fmt: skip

    def _scores(self, rows: Sequence[Row]) -> tuple[list[np.ndarray], list[Feature]]:
        """A score for each label of each row."""
        features = self.prompted.encode(rows, self.processor, max_length=self.plan.max_length, targets=False)
        arrays = self._predictor(self.plan.machine.precision).infer(features)
        found: list[list[np.ndarray]] = [[] for _ in rows]
        for feature, array in zip(features, arrays, strict=True):
            found[feature["row"]].append(array.reshape(-1))
        joined = [np.concatenate(parts) for parts in found]
        return joined, [{"row": i} for i in range(len(rows))]

    def _figures(
        self, scores: Sequence[np.ndarray], features: Sequence[Feature], bias: list[float] | None
    ) -> dict[str, float]:
        task = self.prompted
        task.ask(bias=bias)
        evidence = task.evidence(self.rows, task.decode(scores, features))
        return {name: float(METRICS.make(name)(evidence)) for name in task.metrics}

    def _ask(self, found: Mapping[str, Any], *, calibrated: bool) -> None:
        self.prompted.ask(**found["candidate"].state, bias=found["bias"] if calibrated else None)

    def _on_test(self, found: Mapping[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {"title": found["title"], "shots": found["candidate"].shots}
        self._ask(found, calibrated=False)
        rows = self.plan.data.test
        scores, features = self._scores(rows)
        for name, bias in (("plain", None), ("calibrated", found["bias"])):
            self.prompted.ask(bias=bias)
            evidence = self.prompted.evidence(rows, self.prompted.decode(scores, features))
            told[name] = {metric: float(METRICS.make(metric)(evidence)) for metric in self.prompted.metrics}
        return told


def _worth(found: Mapping[str, Any]) -> float:
    return max(float(next(iter(found[side].values()))) for side in ("plain", "calibrated"))


def _told(tried: Sequence[Mapping[str, Any]], zero_shot: int, rows: int, metric: str) -> dict[str, Any]:
    """What the report says: every candidate, and the spread over zero-shot templates before and after calibration."""
    spread = {}
    for side in ("plain", "calibrated"):
        values = [found[side][metric] for found in tried[:zero_shot]]
        spread[side] = {
            "mean": statistics.mean(values), "deviation": statistics.pstdev(values),
            "lowest": min(values), "highest": max(values),
        }  # fmt: skip
    winner = max(tried, key=_worth)
    plain, calibrated = spread["plain"], spread["calibrated"]
    words = (
        f"{len(tried)} prompts were tried on {rows} validation rows; {winner['title']} "
        f"({'calibrated' if winner['calibrated_wins'] else 'as it is'}) was chosen. Over {zero_shot} templates without "
        f"examples {metric} is {plain['mean']:.3f} ± {plain['deviation']:.3f} ({plain['lowest']:.3f} to "
        f"{plain['highest']:.3f}), calibrated {calibrated['mean']:.3f} ± {calibrated['deviation']:.3f}."
    )
    candidates = [
        {
            "title": found["title"], "template": found["candidate"].template.text,
            "words": dict(found["candidate"].words.by_label), "shots": found["candidate"].shots,
            "order": found["candidate"].order, "plain": found["plain"], "calibrated": found["calibrated"],
        }
        for found in tried
    ]  # fmt: skip
    return {"metric": metric, "rows": rows, "candidates": candidates, "spread": spread, "words": words}

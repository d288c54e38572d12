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
from tunesmith.core.comparable import comparable
from tunesmith.core.contracts import Evidence, Feature, Row
from tunesmith.core.errors import DataError, RecipeError, did_you_mean
from tunesmith.core.recipe import Recipe, TrainingBlock
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
READ = ("device", "precision", "threads", "seed", "trackers")
"""Keys of ``training`` that mean something where nothing is trained."""
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
    average: bool = False
    """Whether a word's score is the mean over its tokens, not their sum."""

    @property
    def title(self) -> str:
        """For tables."""
        behind = f", {self.shots} examples {self.order}" if self.shots else ""
        return f"{self.template.name}/{self.words.name}{behind}{', by token' if self.average else ''}"

    @property
    def state(self) -> dict[str, Any]:
        """What the task is told."""
        return {"template": self.template.text, "words": dict(self.words.by_label), "shots": self.shots,
                "order": self.order, "average": self.average}  # fmt: skip


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
    _refuse_unread(recipe, chosen, PROMPTS.load(name).takes_shots)
    made = _planned(recipe, name, chosen, overwrite)
    if not made.data.validation:
        raise DataError("There are no validation rows to choose a prompt by.", "Set data.split.validation=0.3.")
    search = _Search(chosen)
    return run(made, replace=overwrite, fresh=True, addition=search, kind=search.run)


def _refuse_unread(recipe: Recipe, options: PromptOptions, takes_shots: bool) -> None:
    """What is set and would not be done is a mistake; a default that is written out is none."""
    usual = TrainingBlock()
    unread = ["data.augment"] if recipe.data.augment else []
    if not recipe.task.name.startswith("prompted-"):  # what an earlier version saved has all defaults written out
        unread += [f"training.{key}" for key in TrainingBlock.model_fields
                   if key not in READ and getattr(recipe.training, key) != getattr(usual, key)]  # fmt: skip
        unread += ["method"] if recipe.method.name != "auto" or recipe.method.options else []
    if unread:
        raise RecipeError(f"prompt does not read {', '.join(unread)}: nothing is trained.", "Leave it out.", unread)
    if recipe.evaluation.calibrate is not None:
        raise RecipeError(
            "evaluation.calibrate: answers of prompts cannot be calibrated so; a prompt's own leaning is always tried.",
            "Leave it out, or tune a classifier: tunesmith tune.",
        )
    if not takes_shots and (any(options.shots) or options.orders != PromptOptions.orders):
        raise RecipeError(f"--way {options.way} reads no examples.", "Leave out --shots and --orders.")
    if "order" in recipe.task.options and not (any(options.shots) or recipe.task.options.get("shots")):
        raise RecipeError("task.order says in which order examples stand, and there are none.", "Leave it out.")
    if options.templates and recipe.task.options.get("template"):
        raise RecipeError("There are templates in --templates and one in task.template.", "Give one of both.")


def _planned(recipe: Recipe, name: str, options: PromptOptions, overwrite: bool) -> Plan:
    found = prepared(recipe.data, "text-classification", recipe.training.device)
    if options.test_rows and len(found.test) > options.test_rows:
        found.test = random.Random(13).sample(found.test, options.test_rows)
        found.notes.append(f"{options.test_rows} of the test rows were drawn.")
    task = recipe.task.model_copy(update={"name": name})
    made = plan(recipe.model_copy(update={"task": task}), replace=overwrite, data=replace(found, task=name))
    # The bundle's recipe says nothing of a training that there was not, and can be given to this verb again.
    made.recipe = made.recipe.model_copy(update={"training": recipe.training, "method": recipe.method})
    return made


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
        said = self._run.left_out
        report["data_notes"] += [f"The prompt {title} was not tried: {why}" for title, why in said.items()]


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
        self.left_out: dict[str, str] = {}
        self._asked_last: tuple[dict[str, Any], list[np.ndarray], list[Feature]] | None = None
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
        tried = [found for one in first for found in self._tried(one)]
        best = [replace(found["candidate"], average=False) for found in sorted(tried, key=_worth, reverse=True)]
        best = list({one.title: one for one in best}.values())
        if task.takes_shots:
            given = self.plan.recipe.task.options.get("order")
            orders = (given,) if given else ORDERS[: max(1, self.options.orders)]
            for count in sorted({n for n in (*self.options.shots, task.shots) if n}):
                for order in orders:
                    for one in best[:KEPT]:
                        tried += self._tried(replace(one, shots=count, order=order))
        winner = max(tried, key=_worth)
        self.told = {**_told(tried, len(self.rows), task.metrics[0]), "left_out": self.left_out}
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
        able: list[Candidate] = []
        why: RecipeError | None = None
        longest = max(self.rows, key=lambda row: len(str(row.get("text") or "")))
        for one in every:
            task.ask(**one.state, bias=None)
            try:
                task.encode([longest], self.processor, max_length=self.plan.max_length, targets=False)
                able.append(one)
            except RecipeError as error:  # a word that is no token of this model, or no room for a text
                why = error
                self.left_out[one.title] = str(error).splitlines()[0]
        if not able:
            raise why or RecipeError("There is no template to try.", "Give some: --templates FILE.")
        return able

    def _tried(self, candidate: Candidate) -> list[dict[str, Any]]:
        """A candidate's figures on the validation rows, as it is and calibrated; both by sums over a word's tokens and
        by their means, where words are not all of as many tokens: of one pass.
        """
        task = self.prompted
        task.ask(**candidate.state, bias=None)
        scores, features = self._scores(self.rows)
        free, _ = self._scores(task.free_rows())
        sizes = task.sizes(self.processor)
        made = [self._judged(candidate, scores, free, features)]
        if task.averages and len(set(sizes.tolist())) > 1:
            one = replace(candidate, average=True)
            made.append(self._judged(one, [s / sizes for s in scores], [s / sizes for s in free], features))
        return made

    def _judged(
        self, candidate: Candidate, scores: list[np.ndarray], free: list[np.ndarray], features: list[Feature]
    ) -> dict[str, Any]:
        bias = leaning(np.stack(free))
        plain = self._figures(scores, features, None)
        calibrated = self._figures(scores, features, bias)
        metric = self.prompted.metrics[0]
        return {"candidate": candidate, "title": candidate.title, "bias": bias, "plain": plain,
                "cut": sum(bool(one["cut"]) for one in features), "fewer": sum(one["fewer"] > 0 for one in features),
                "calibrated": calibrated, "calibrated_wins": calibrated[metric] > plain[metric]}  # fmt: skip

    def _scores(self, rows: Sequence[Row]) -> tuple[list[np.ndarray], list[Feature]]:
        """A score for each label of each row, and what of the row did not fit: ``cut``, ``fewer``."""
        features = self.prompted.encode(rows, self.processor, max_length=self.plan.max_length, targets=False)
        arrays = self._predictor(self.plan.machine.precision).infer(features)
        found: list[list[np.ndarray]] = [[] for _ in rows]
        for feature, array in zip(features, arrays, strict=True):
            found[feature["row"]].append(array.reshape(-1))
        joined = [np.concatenate(parts) for parts in found]
        told: list[Feature] = [{"row": i, "cut": False, "fewer": 0} for i in range(len(rows))]
        for feature in features:
            one = told[feature["row"]]
            one["cut"], one["fewer"] = one["cut"] or feature["cut"], one["fewer"] or feature.get("fewer", 0)
        return joined, told

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
        told: dict[str, Any] = {
            "title": found["title"], "shots": found["candidate"].shots, "average": found["candidate"].average,
        }  # fmt: skip
        self._ask(found, calibrated=False)
        rows = self.plan.data.test
        plainly = replace(found["candidate"], average=False)
        if self._asked_last is None or self._asked_last[0] != plainly.state:  # sums and means are of one pass
            self.prompted.ask(**plainly.state)
            self._asked_last = plainly.state, *self._scores(rows)
        _, scores, features = self._asked_last
        if found["candidate"].average:
            scores = [one / self.prompted.sizes(self.processor) for one in scores]
        for name, bias in (("plain", None), ("calibrated", found["bias"])):
            self.prompted.ask(bias=bias)
            evidence = self.prompted.evidence(rows, self.prompted.decode(scores, features))
            told[name] = {metric: float(METRICS.make(metric)(evidence)) for metric in self.prompted.metrics}
        return told


def _worth(found: Mapping[str, Any]) -> float:
    return comparable(max(float(next(iter(found[side].values()))) for side in ("plain", "calibrated")))


def _told(tried: Sequence[Mapping[str, Any]], rows: int, metric: str) -> dict[str, Any]:
    """What the report says: every candidate, and the spread over zero-shot templates before and after calibration."""
    spread = {}
    bare = [found for found in tried if not found["candidate"].shots and not found["candidate"].average]
    for side in ("plain", "calibrated"):
        values = [found[side][metric] for found in bare]
        spread[side] = {
            "mean": statistics.mean(values), "deviation": statistics.pstdev(values),
            "lowest": min(values), "highest": max(values),
        }  # fmt: skip
    winner = max(tried, key=_worth)
    plain, calibrated = spread["plain"], spread["calibrated"]
    words = (
        f"{len(tried)} prompts were tried on {rows} validation rows; {winner['title']} "
        f"({'calibrated' if winner['calibrated_wins'] else 'as it is'}) was chosen. Over {len(bare)} templates without "
        f"examples {metric} is {plain['mean']:.3f} ± {plain['deviation']:.3f} ({plain['lowest']:.3f} to "
        f"{plain['highest']:.3f}), calibrated {calibrated['mean']:.3f} ± {calibrated['deviation']:.3f}."
    )
    words += _unfit(winner, rows)
    candidates = [
        {
            "title": found["title"], **found["candidate"].state, "plain": found["plain"],
            "calibrated": found["calibrated"], "cut": found["cut"], "fewer": found["fewer"],
        }
        for found in tried
    ]  # fmt: skip
    return {"metric": metric, "rows": rows, "candidates": candidates, "spread": spread, "words": words}


def _unfit(winner: Mapping[str, Any], rows: int) -> str:
    """A sentence where the chosen prompt was too long for the window in some rows; "" where it was not."""
    said = [
        f"{winner[key]} of {rows} {what}"
        for key, what in (("cut", "texts are cut"), ("fewer", "prompts have fewer examples"))
        if winner[key]
    ]
    return f" The window is too short for the chosen prompt: {', '.join(said)}; see model.max_length." if said else ""

"""Decide everything that a recipe of pretraining leaves open; the corpus is looked at, no weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tunesmith.bundle.write import check_target
from tunesmith.core.contracts import Tracker
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.pretrain_recipe import PretrainRecipe
from tunesmith.core.recipe import Recipe, checked, read_yaml
from tunesmith.core.registry import family
from tunesmith.core.runtime import Machine, one_process, resolve
from tunesmith.data.corpus import Corpus
from tunesmith.data.language import language_of
from tunesmith.data.locate import locate
from tunesmith.models.reference import ModelReference
from tunesmith.models.reference import resolve as resolve_model
from tunesmith.objectives.objective import Objective
from tunesmith.pipeline.downstream import refuse_unmeasurable
from tunesmith.pipeline.plan import place_for

PEEKED = 500
"""Documents that the language is told by."""
UNREAD: Mapping[str, tuple[str, ...]] = {
    "training": ("strategies", "gradient_checkpointing"),
    "evaluation": ("baselines", "checks", "gate", "calibrate"),
}
"""Keys of blocks that it shares with ``tune``, and that mean nothing here."""
CONTINUED, ANEW = {"epochs": 1.0, "warmup": 0.06, "weight_decay": 0.01}, {"epochs": 3.0, "learning_rate": 1e-3}


@dataclass
class PretrainPlan:
    """A run, decided."""

    recipe: PretrainRecipe
    learned: Corpus
    held: Corpus
    language: str
    objective: Objective
    machine: Machine
    trackers: list[Tracker]
    bundle: Path
    files: list[list[Any]]
    reference: ModelReference | None = None
    """What is trained on; None: a model that is made of the corpus."""
    downstream: Recipe | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What makes the run this one: with the same, an unfinished run goes on."""
        recipe = self.recipe.model_dump(
            exclude={"bundle": True, "training": {"trackers", "threads"}, "downstream": True}
        )
        base = self.reference.content_hash if self.reference else ""
        return {"pretrain": recipe, "files": self.files, "model": base}


def as_pretrain_recipe(corpus: str, overrides: list[str]) -> PretrainRecipe:
    """A checked recipe from a corpus, or from a recipe's file.

    Raises:
        RecipeError: with all mistakes.
    """
    values = read_yaml(corpus) if corpus.endswith((".yaml", ".yml")) else {"data": {"path": corpus}}
    recipe = checked(PretrainRecipe, values, overrides)
    checked(PretrainRecipe, {"objective": recipe.objective.model_dump()})  # options beside no name were not checked yet
    return recipe


def plan_pretraining(recipe: PretrainRecipe, *, replace: bool = False) -> PretrainPlan:
    """Look at the corpus, choose the model's kind and defaults.

    Raises:
        TunesmithError: what does not fit, before anything heavy is done.
    """
    if not recipe.data.path:
        raise RecipeError("data.path is missing: there is no corpus.", "Run: tunesmith pretrain CORPUS")
    _refuse_unread(recipe)
    if recipe.scratch is not None and recipe.model.name != "auto":
        raise RecipeError(
            f"scratch makes a model anew, and model={recipe.model.name} names one.", "Leave one of them out."
        )
    target = Path(recipe.bundle) if recipe.bundle else place_for(recipe.data.path, replace=replace)
    check_target(target, replace=replace)
    one_process()
    objective: Objective = family("objectives").make(recipe.objective.name, recipe.objective.options)
    learned, held = _corpora(recipe)
    some = list(islice(learned.learned(), PEEKED))
    if len(some) < 2:
        raise DataError(f"{recipe.data.path} has no documents to learn from.", "Give documents: a line each, or JSON.")
    if next(held.held(), None) is None:
        raise DataError(
            f"None of the documents of {held.path} is held out to measure on.", "Give a file of some: data.test=FILE"
        )
    training = recipe.training
    machine = resolve(training.device, training.precision, training.threads)
    usual: Mapping[str, Any] = {
        **CONTINUED,
        "batch_size": objective.batch_size,
        "accumulate": 1,
        "learning_rate": objective.learning_rate,
        **(ANEW if recipe.scratch else {}),
        "head_learning_rate": None,
        "layer_decay": 1.0,
    }
    fill = {key: value for key, value in usual.items() if getattr(training, key) is None}
    if "evaluations" not in training.model_fields_set:
        fill["evaluations"] = 4.0 / (training.epochs or usual["epochs"])
    language = language_of(some)
    full = recipe.model_copy(
        update={
            "training": training.model_copy(update=fill),
            "bundle": str(target),
            "model": recipe.model.model_copy(update={"max_length": recipe.model.max_length or objective.window}),
        }
    )
    reference = _reference(recipe, language, objective)
    downstream = _downstream(recipe)
    if downstream is not None and recipe.downstream is not None and reference is not None:
        start = recipe.model.model_copy(update={"name": reference.name})
        beside = target.with_name(f".{target.name}.downstream")
        refuse_unmeasurable(downstream, start, recipe.downstream.labels, recipe.downstream.seeds, beside)
    return PretrainPlan(
        full, learned, held, language, objective, machine,
        [family("trackers").make(block.name, block.options) for block in training.trackers],
        target, [stamp for path in (recipe.data.path, recipe.data.test) if path for stamp in _stamps(path)],
        reference=reference, downstream=downstream,
    )  # fmt: skip


def _stamps(path: str) -> list[list[Any]]:
    """What tells another state of the files: name, size, time."""
    files = [Path(file) for file in locate(path).files if Path(file).is_file()]
    return [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _reference(recipe: PretrainRecipe, language: str, objective: Objective) -> ModelReference | None:
    if recipe.scratch is not None:
        return None
    model = recipe.model
    return resolve_model(
        model.name, revision=model.revision, language=language, auto_model=objective.auto_model,
        trust_remote_code=model.trust_remote_code,
    )  # fmt: skip


def _refuse_unread(recipe: PretrainRecipe) -> None:
    """What is set and would not be done is a mistake; a default that is written out is none."""
    blocks = {name: getattr(recipe, name) for name in UNREAD}
    usual = {name: type(block)() for name, block in blocks.items()}
    unread = [
        f"{name}.{key}"
        for name, keys in UNREAD.items()
        for key in keys
        if getattr(blocks[name], key) != getattr(usual[name], key)
    ]
    if unread:
        raise RecipeError(
            f"pretrain does not read {', '.join(unread)}: an objective is trained and measured in one way.",
            f"Leave out what is named. The task that the gain is measured by takes it: downstream.{unread[0]}=...",
            unread,
        )


def _corpora(recipe: PretrainRecipe) -> tuple[Corpus, Corpus]:
    data = recipe.data
    if not data.test:
        both = Corpus(data.path, data.text, data.encoding, data.hold)
        return both, both
    held = Corpus(data.test, data.text, data.encoding)
    return Corpus(data.path, data.text, data.encoding, apart=held.all_keys()), held


def _downstream(recipe: PretrainRecipe) -> Recipe | None:
    """The task's recipe, checked before anything is learned."""
    if recipe.downstream is None:
        return None
    made = Recipe.parse(recipe.downstream.recipe)
    if made.model.name != "auto" or made.model.revision:
        raise RecipeError("downstream.model names a model; it is measured from both.", "Leave it out.")
    if "pooling" not in made.model.model_fields_set:  # both are read as the recipe reads its model
        made.model.pooling = recipe.model.pooling
    if "trust_remote_code" not in made.model.model_fields_set:
        made.model.trust_remote_code = recipe.model.trust_remote_code
    if not made.data.path:
        raise RecipeError("downstream names no rows.", "Write downstream=FILE, with labels.")
    return made

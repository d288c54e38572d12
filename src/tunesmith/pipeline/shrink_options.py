"""What is asked of a shrinking, and the forms that this means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.compression.cuts import CutSpec
from tunesmith.compression.forms import Form
from tunesmith.compression.pick import TARGETS, Target
from tunesmith.core.errors import ExtraMissing, RecipeError, did_you_mean
from tunesmith.core.recipe import Recipe
from tunesmith.core.registry import Registry
from tunesmith.pipeline.unread import unread_keys

AUTO, TORCH = "auto", "torch"
READ = (
    "bundle", "data", "evaluation.gate", "training.seed", "training.trackers", "training.device", "training.precision",
)  # fmt: skip
"""Keys of a recipe that are read without a cut, too. The seed draws rows that set scales, and texts that are read. Of a
bundle that names its device, another is named where that is not there."""
TRAINED = "training"
"""What a cut reads beside these."""


@dataclass(frozen=True)
class ShrinkOptions:
    """What is asked.

    Args:
        to: a form's name; "auto" tries all that this machine has and takes the best; "torch" only cuts.
        cuts: ways to make the model itself smaller, ``layers=3,feed_forward=0.5``; "auto" tries each, and none.
        max_loss: of the task's first metric, on rows that nothing was chosen on; more does not ship.
        target: what the best is.
        least_agreement: share of rows that must be answered as before.
        keep_weights: whether the model folder goes along, for transformers.
        test_all: whether every candidate is measured on the test rows, too, once the pick is made: for a table.
    """

    to: str = AUTO
    cuts: Sequence[str] = ()
    max_loss: float = 0.01
    target: Target = "latency"
    least_agreement: float = 0.9
    keep_weights: bool = False
    test_all: bool = False


def refuse_unread(overrides: Sequence[str], cut: bool) -> None:
    """Raise RecipeError where an override would be taken for done: the model, its task and its training are made.

    Args:
        overrides: of the recipe.
        cut: whether a model is cut, and trained after it.
    """
    strange = unread_keys(Recipe.parse({}, overrides), (*READ, TRAINED) if cut else READ)
    if not strange:
        return
    trained = not cut and any(key.partition(".")[0] == TRAINED for key in strange)
    raise RecipeError(
        f"shrink does not read {', '.join(strange)}{' without --cut: nothing is trained' if trained else ''}.",
        f"It reads {', '.join(READ)}; with --cut all of training.",
        strange,
    )


def forms_of(asked: ShrinkOptions, cuts: Mapping[str, CutSpec], known: Registry) -> tuple[list[Form], dict[str, str]]:
    """The forms to be made; what is missing here, by name, in a search.

    Args:
        known: the family of forms that the bundle's model can have.

    Raises:
        RecipeError: what is asked for does not exist.
        ExtraMissing: a form's package is not installed.
    """
    if asked.target not in TARGETS:
        raise RecipeError(f'--target is "{asked.target}".', f"Take one of: {', '.join(TARGETS)}.")
    if asked.to == TORCH:
        if not cuts:
            raise RecipeError("--to torch only cuts a model, and no cut is named.", "Name one: --cut layers=3")
        return [], {}
    if asked.to != AUTO:
        if asked.to not in known:
            raise RecipeError(f'--to is "{asked.to}", which is no form.', did_you_mean(asked.to, [AUTO, TORCH, *known]))
        form: Form = known.make(asked.to)
        form.check()
        return [form], {}
    found, missing = [], {}
    for name in known:
        form = known.make(name)
        try:
            form.check()
        except ExtraMissing as error:
            missing[name] = f"{error.problem} {error.hint}"
            continue
        if form.helps():
            found.append(form)
    if not found:
        raise ExtraMissing(next(iter(missing.values())), 'Run: pip install "tunesmith[shrink]"')
    return found, missing

"""What is asked of a shrinking, and the forms that this means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.compression.cuts import CutSpec
from tunesmith.compression.forms import Form
from tunesmith.compression.pick import TARGETS, Target
from tunesmith.core.errors import ExtraMissing, RecipeError, did_you_mean
from tunesmith.core.registry import Registry

AUTO, TORCH = "auto", "torch"


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

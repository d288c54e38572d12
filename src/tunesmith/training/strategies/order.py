"""Which strategies wrap which, and which exclude each other: data, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from tunesmith.core.contracts import Strategy
from tunesmith.core.errors import RecipeError

SHAPES = ("focal", "label_smoothing", "class_weights")
ADVERSARIES = ("fgm", "pgd", "freelb")
AVERAGES = ("swa", "ema", "wise_ft")
DOMAINS = ("coral", "dann")
PREFERENCES = ("dpo", "orpo", "kto", "grpo")
OF_ANSWERS = (
    *SHAPES, "mixup", "multi_task", "supcon", "distill", "lwf", "pseudo_labels", "uda", "r_drop", "replay", "fair",
)  # fmt: skip
"""What works on a model's answers or on labels beside the training rows'."""

INNERMOST_FIRST: tuple[str, ...] = (
    *PREFERENCES,
    "contrastive",
    "multi_task",
    *SHAPES,
    "mixup",
    "supcon",
    "fair",
    "distill",
    "lwf",
    "pseudo_labels",
    "uda",
    "r_drop",
    *DOMAINS,
    "neftune",
    *ADVERSARIES,
    "dp_sgd",
    "replay",
    "l2_sp",
    "ewc",
    *AVERAGES,
)
"""Those named first stand closest to the model; those not named come last, in the recipe's order."""


def _pairs(names: Sequence[str], reason: str) -> dict[frozenset[str], str]:
    return {frozenset(pair): reason for pair in combinations(names, 2)}


CLASHES: dict[frozenset[str], str] = {
    **_pairs(SHAPES, "each takes the loss's place; focal and label_smoothing have the others as options."),
    **{
        frozenset({"mixup", name}): "each takes the loss's place; mixup has two labels a text, of which the other "
        "knows one."
        for name in SHAPES
    },
    **_pairs(ADVERSARIES, "each moves the embeddings against the loss; pgd and freelb go further than fgm."),
    **_pairs(AVERAGES, "each puts a mean in the weights' place."),
    **_pairs(DOMAINS, "both make the target's texts look like the source's."),
    **_pairs(PREFERENCES, "each takes the loss's place."),
    **{
        frozenset({one, name}): f"{one} takes the loss's place, and learns from answers as a whole."
        for one in PREFERENCES
        for name in (*OF_ANSWERS, *DOMAINS, "contrastive")
    },
    **{
        frozenset({"grpo", name}): "grpo writes new answers at each look at a batch, so a second look is at others."
        for name in ADVERSARIES
    },
    **{
        frozenset({"contrastive", name}): "contrastive learns from pairs of the training rows and fits its head at the "
        "end; until then the model has no answers to work on."
        for name in OF_ANSWERS
    },
    frozenset({"contrastive", "wise_ft"}): "contrastive goes back towards the start by itself: its option share.",
    **{
        frozenset({"multi_task", name}): "the parts' own losses are taken apart, and a shaped one is of all together."
        for name in SHAPES
    },
    **{
        frozenset({"multi_task", name}): "gradients without conflicts are of the weights; an adversary needs those of "
        "the embeddings' outputs."
        for name in ADVERSARIES
    },
    **{
        frozenset({"dp_sgd", name}): "dp_sgd gives each row a gradient of its own, clipped and with noise; what "
        "compares rows, brings others or adds a gradient beside it breaks what it promises."
        for name in (
            "contrastive",
            "multi_task",
            "mixup",
            "supcon",
            "fair",
            "pseudo_labels",
            "uda",
            *DOMAINS,
            *ADVERSARIES,
            *PREFERENCES,
        )
    },
}
"""Pairs that make no sense together -> the reason, in words."""


def ordered(strategies: Sequence[Strategy]) -> list[Strategy]:
    """The strategies, innermost first.

    Raises:
        RecipeError: one stands twice, or two exclude each other.
    """
    names = [strategy.name for strategy in strategies]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f'training.strategies names "{name}" twice.', "Name each strategy once.")
    for pair, reason in CLASHES.items():
        if pair <= set(names):
            raise RecipeError(f"The strategies {' and '.join(sorted(pair))} exclude each other: {reason}", "Drop one.")
    places = {name: i for i, name in enumerate(INNERMOST_FIRST)}
    return sorted(strategies, key=lambda strategy: places.get(strategy.name, len(places)))

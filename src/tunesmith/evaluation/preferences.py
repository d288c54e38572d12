"""Rows whose better and worse answers are known: what training made of both, beside what they were before."""

from __future__ import annotations

from collections.abc import Mapping

from tunesmith.core.contracts import Evidence

BETTER, WORSE = "chosen_log_likelihood", "rejected_log_likelihood"
FIGURES = ("preference_accuracy", "reward_accuracy")
"""Metrics of rows with a worse answer; the second where the model before training was measured, too."""


def with_margins(evidences: Mapping[str, Evidence]) -> dict[str, Evidence]:
    """The same with ``reward_margin``, where answers are known from before training.

    ``(c - c_before) - (r - r_before)``, of log-likelihoods of better (c) and worse (r) answers: what DPO calls the
    difference of implicit rewards (Rafailov et al. 2023, section 4), without its factor.
    """
    before = evidences.get("before", {})
    if BETTER not in before:
        return dict(evidences)
    return {
        key: {
            **evidence,
            "reward_margin": (evidence[BETTER] - before[BETTER]) - (evidence[WORSE] - before[WORSE]),
        }
        if BETTER in evidence
        else evidence
        for key, evidence in evidences.items()
    }


def figures_of(after: Evidence) -> tuple[str, ...]:
    """The metrics that evidence has of preferences."""
    return tuple(
        name for name, array in zip(FIGURES, ("preference_margin", "reward_margin"), strict=True) if array in after
    )

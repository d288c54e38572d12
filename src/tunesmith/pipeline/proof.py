"""The report of a run, with what only the pipeline knows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import CheckResult, Evidence
from tunesmith.data.contamination import contamination
from tunesmith.evaluation.baselines import BASELINES
from tunesmith.evaluation.baselines.measured import title
from tunesmith.evaluation.evidence import kind_of
from tunesmith.evaluation.report import build_report

if TYPE_CHECKING:
    from tunesmith.pipeline.plan import Plan
    from tunesmith.training.loop import Trained


def proven(
    plan: Plan,
    evidences: Mapping[str, Evidence],
    seconds: Mapping[str, Mapping[str, float]],
    trained: Trained,
    parameters: Mapping[str, int],
    stages: Mapping[str, float],
    checks: Sequence[CheckResult],
    titles: Mapping[str, str],
) -> dict[str, Any]:
    """``report.json``: after, before and baselines on the same test rows, and how the run went.

    Args:
        evidences: "after", and "before", "majority", "tfidf" where they were measured.
        seconds: by the same keys, "fit" and "predict".
        parameters: "all" and "trained".
        stages: name -> seconds.
        titles: what sentences call a side, by the same keys as evidences.
    """
    options = plan.recipe.evaluation.model_dump(include={"resamples", "confidence"})
    known = contamination(plan.data.train, plan.data.test) if kind_of(evidences["after"]) == "text" else {}
    report = build_report(
        task_name=plan.task.name,
        class_names=getattr(plan.task, "labels", []),
        metric_names=[*plan.task.metrics, *(name for strategy in plan.strategies for name in strategy.metrics)],
        rows=plan.data.test,
        evidences=evidences,
        seconds=seconds,
        history=trained.history,
        data_notes=[*plan.data.why, *plan.data.notes, *plan.task.notes, *([known["words"]] if known else [])],
        context=_context(plan, trained, parameters, stages),
        checks=checks,
        titles={**{name: words for name in evidences if name in BASELINES and (words := title(name))}, **titles},
        **options,
    )
    return {**report, "contamination": known} if known else report


def _context(
    plan: Plan, trained: Trained, parameters: Mapping[str, int], stages: Mapping[str, float]
) -> dict[str, Any]:
    return {
        "model": plan.reference.hub_id or plan.reference.name,
        "method": plan.method.name,
        "language": plan.data.language,
        "rows": {name: len(getattr(plan.data, name)) for name in ("train", "validation", "test")},
        "parameters": dict(parameters),
        "machine": vars(plan.machine),
        "seconds": dict(stages),
        "training": {
            "seconds": round(trained.seconds, 3),
            "samples_per_second": round(trained.samples_per_second, 1),
            "steps": trained.steps,
            "best_step": trained.best_step,
            "stopped_early": trained.stopped_early,
            "resumed_at": trained.resumed_at,
        },
        **({"strategies": trained.facts} if trained.facts else {}),
        "recipe": plan.recipe.model_dump(mode="json"),
    }

"""A mixture's parts in its report: each with its own baselines and tables, on its own test rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tunesmith.core.contracts import Evidence, Row
from tunesmith.evaluation.baselines import FOR
from tunesmith.evaluation.baselines.measured import measured, title
from tunesmith.evaluation.metrics.of_parts import evidence_of_part
from tunesmith.evaluation.report import build_report

if TYPE_CHECKING:
    from tunesmith.evaluation.baselines.targets import Baseline
    from tunesmith.pipeline.plan import Plan

PartBaselines = dict[str, dict[str, "Baseline"]]
"""Part -> baseline -> its answers."""


def part_baselines(plan: Plan) -> PartBaselines:
    """Every part's baselines."""
    tasks: Mapping[str, Any] = getattr(plan.task, "parts", {})
    return {
        part: {
            name: measured(name, task, _rows(plan.data.train, part), _rows(plan.data.test, part), data.language)
            for name in FOR.get(task.name, ())
        }
        for part, task in tasks.items()
        for data in (plan.data.parts[part],)
    }


def part_reports(plan: Plan, evidences: Mapping[str, Evidence], baselines: PartBaselines) -> dict[str, dict[str, Any]]:
    """Part -> a report as that of a run of this task alone; {} where the run has no parts."""
    tasks: Mapping[str, Any] = getattr(plan.task, "parts", {})
    options = plan.recipe.evaluation.model_dump(include={"resamples", "confidence"})
    found = {}
    for part, task in tasks.items():
        own = baselines.get(part, {})
        found[part] = build_report(
            task_name=task.name,
            class_names=getattr(task, "labels", []),
            metric_names=task.metrics,
            rows=_rows(plan.data.test, part),
            evidences={
                **{name: evidence_of_part(evidence, part)[0] for name, evidence in evidences.items()},
                **{name: made.evidence for name, made in own.items()},
            },
            seconds={name: {"fit": made.seconds_fit, "predict": made.seconds_predict} for name, made in own.items()},
            titles={name: words for name in own if (words := title(name))},
            **options,
        )
    return found


def _rows(rows: list[Row], part: str) -> list[Row]:
    return [row for row in rows if row["part"] == part]

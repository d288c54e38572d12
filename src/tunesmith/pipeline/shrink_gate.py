"""The parent's own gate, for what it was shrunk to."""

from __future__ import annotations

from tunesmith.bundle.read import Bundle
from tunesmith.evaluation.gate import GateResult, gate
from tunesmith.evaluation.report import build_report
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.shrink_sides import Kind, Proof


def held(parent: Bundle, plan: Plan, kind: Kind, proof: Proof) -> GateResult | None:
    """A candidate on the test rows, held to the conditions of the plan that are measured here; None: there are none.

    Baselines are not fitted again: the parent's report has them, of the same rows.
    """
    asked = plan.recipe.evaluation.gate
    if not asked:
        return None
    found = build_report(
        task_name=plan.task.name,
        class_names=getattr(plan.task, "labels", []),
        metric_names=kind.metrics,
        rows=kind.test,
        evidences={"after": proof.evidence},
        resamples=2,  # its intervals are not read
    )
    measured = {name: text for name, text in asked.items() if name in found["metrics"]}
    return gate({**found, "baselines": parent.report.get("baselines", {})}, measured) if measured else None


def failed(result: GateResult) -> str:
    """What failed, in words."""
    return f"the bundle's own gate: {'; '.join(line.reason.rstrip('.') for line in result.lines if not line.passed)}"

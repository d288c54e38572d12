"""A shrunk bundle: what its report says, and the folder, proven by a fresh process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunesmith.bundle.card import model_card
from tunesmith.bundle.environment import environment
from tunesmith.bundle.layout import CARD, ENVIRONMENT, LOG, MANIFEST, MEMBERS, REPORT, REPORT_PAGE, Manifest
from tunesmith.bundle.parity import prove_reload
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.write import write_bundle
from tunesmith.core.artefacts import Figure, Parity
from tunesmith.evaluation.html import render
from tunesmith.evaluation.report import build_report
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.save import proof_rows
from tunesmith.pipeline.shrink_sides import Answers, Side, copied

OWN = {CARD, REPORT, REPORT_PAGE, ENVIRONMENT, MANIFEST, LOG, "broken_rows.csv"}
"""Files of a parent that its child has its own of, or none."""


def report_of(
    plan: Plan, parent: Bundle, before: Answers, after: Answers, facts: Mapping[str, Any], notes: Sequence[str]
) -> dict[str, Any]:
    """``report.json``: the shrunk model beside its parent on the same test rows.

    Args:
        facts: of the shrinking; they stand under ``shrink``.
    """
    task, rows = parent.task, plan.data.test
    found = build_report(
        task_name=task.name,
        class_names=getattr(task, "labels", []),
        metric_names=task.metrics,
        rows=rows,
        evidences={
            "after": task.evidence(rows, after.predictions),
            "before": task.evidence(rows, before.predictions),
        },
        data_notes=notes,
        context={**parent.report.get("context", {}), "seconds": {"shrink": facts["seconds"]}},
        titles={"before": "the parent", "after": "the shrunk model"},
    )
    return {**found, "shrink": dict(facts)}


def written(
    plan: Plan, picked: Side, report: dict[str, Any], parity: Parity, *, keep_weights: bool, overwrite: bool
) -> Bundle:
    """Write the bundle of a form, reload it in a fresh process, and only then put it in its place.

    Raises:
        BundleError: the place cannot be written, or the reloaded bundle answers otherwise than what was measured.
    """
    assert picked.form is not None and picked.folder is not None
    source, files = picked.bundle, picked.folder
    rows = proof_rows(plan)
    expected = picked.answers(rows)
    own = source.manifest
    kept: dict[str, Any] = {
        key: own.recipe[key] for key in ("model", "method", "training", "task") if key in own.recipe
    }
    manifest = replace(
        own,
        recipe={**plan.recipe.model_dump(mode="json"), **kept},
        lineage=replace(own.lineage, parent=plan.parent),
        runtime=picked.form.record(),
        metrics={name: _figure(found) for name, found in report["metrics"].items()},
        parity=(parity,),
        files={},
    )

    def fill(part: Path) -> None:
        for path in sorted(source.path.iterdir()):
            weights = path.suffix == ".safetensors"
            if path.is_file() and path.name not in OWN and (keep_weights or not weights):
                shutil.copyfile(path, part / path.name)
        if keep_weights and (source.path / MEMBERS).is_dir():
            shutil.copytree(source.path / MEMBERS, part / MEMBERS)
        copied(files, part)
        (part / ENVIRONMENT).write_text(environment(), "utf-8")
        _write_report(part, report)

    def prove(part: Path) -> Sequence[Parity]:
        for tracker in plan.trackers:
            tracker.stage("reload")
        found = [prove_reload(part, rows, expected.arrays, expected.predictions, expected.tokens)]
        report["parity"] = [one.to_json() for one in (parity, *found)]
        _write_report(part, report)
        return found

    def finish(part: Path, sealed: Manifest) -> None:
        (part / CARD).write_text(model_card(plan.bundle.name, sealed.to_json(), report), "utf-8")

    write_bundle(plan.bundle, fill=fill, manifest=manifest, prove=prove, finish=finish, replace=overwrite)
    return read_bundle(plan.bundle, verify=False)


def _write_report(part: Path, report: Mapping[str, Any]) -> None:
    (part / REPORT).write_text(json.dumps(report, ensure_ascii=False, indent=1), "utf-8")
    (part / REPORT_PAGE).write_text(render(report), "utf-8")


def _figure(found: Mapping[str, float | None]) -> Figure:
    return Figure(**{key: float("nan") if value is None else value for key, value in found.items()})

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
from tunesmith.bundle.layout import CARD, ENVIRONMENT, LOG, MANIFEST, RECIPE, REPORT, REPORT_PAGE, Manifest
from tunesmith.bundle.parity import prove_reload
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.write import write_bundle
from tunesmith.core.artefacts import Parity
from tunesmith.core.contracts import Row
from tunesmith.core.recipe import Recipe
from tunesmith.evaluation.report import build_report
from tunesmith.pipeline.plan import Plan
from tunesmith.pipeline.save import figures_of, write_report
from tunesmith.pipeline.shrink_sides import Kind, Proof, Side
from tunesmith.tasks.recommendation import ENCODER

OWN = {CARD, RECIPE, REPORT, REPORT_PAGE, ENVIRONMENT, MANIFEST, LOG, "broken_rows.csv"}
"""Files of a parent that its child has its own of, or none."""
MODULES = "modules.json"


def report_of(
    plan: Plan, picked: Side, kind: Kind, proof: Proof, facts: Mapping[str, Any], notes: Sequence[str]
) -> dict[str, Any]:
    """``report.json``: the pick beside the parent on the same test rows; of a cut, what was cut off, too.

    Args:
        kind: knows the parent's side.
        proof: of the pick.
        facts: of the shrinking; they stand under ``shrink``.
    """
    own = picked.bundle.report
    found = build_report(
        task_name=plan.task.name,
        class_names=getattr(plan.task, "labels", []),
        metric_names=kind.metrics,
        rows=kind.test,
        evidences={"after": proof.evidence, "before": kind.parents_evidence()},
        data_notes=notes,
        context={**own.get("context", {}), "seconds": {"shrink": facts["seconds"]}},
        titles={"before": "the parent", "after": "the shrunk model"},
    )
    return {**found, **{key: own[key] for key in ("smaller",) if key in own}, "shrink": dict(facts)}


def written(
    plan: Plan,
    picked: Side,
    report: dict[str, Any],
    parity: Parity,
    rows: Sequence[Row],
    *,
    keep_weights: bool,
    overwrite: bool,
) -> Bundle:
    """Write the pick's bundle, reload it in a fresh process, and only then put it in its place.

    Args:
        rows: that the fresh process must answer as the pick does now.

    Raises:
        BundleError: the place cannot be written, or the reloaded bundle answers otherwise than what was measured.
    """
    source, own = picked.bundle, picked.bundle.manifest
    expected = picked.answers(rows)
    kept: dict[str, Any] = {
        key: own.recipe[key] for key in ("model", "method", "training", "task") if key in own.recipe
    }
    recipe: dict[str, Any] = {**plan.recipe.model_dump(mode="json"), **kept}
    manifest = replace(
        own,
        recipe=recipe,
        lineage=replace(own.lineage, parent=plan.parent),
        runtime=picked.form.record() if picked.form else own.runtime,
        metrics=figures_of(report),
        parity=(parity,),
        files={},
    )

    def fill(part: Path) -> None:
        brought(source.path, part, weights=keep_weights or picked.form is None)
        if picked.folder is not None:
            shutil.copytree(picked.folder, part, dirs_exist_ok=True)
        (part / RECIPE).write_text(Recipe.model_validate(recipe).to_yaml(), "utf-8")
        (part / ENVIRONMENT).write_text(environment(), "utf-8")
        write_report(part, report)

    def prove(part: Path) -> Sequence[Parity]:
        for tracker in plan.trackers:
            tracker.stage("reload")
        found = [prove_reload(part, rows, expected.arrays, expected.predictions, expected.tokens)]
        report["parity"] = [one.to_json() for one in (parity, *found)]
        write_report(part, report)
        return found

    def finish(part: Path, sealed: Manifest) -> None:
        (part / CARD).write_text(model_card(plan.bundle.name, sealed.to_json(), report), "utf-8")

    write_bundle(plan.bundle, fill=fill, manifest=manifest, prove=prove, finish=finish, replace=overwrite)
    return read_bundle(plan.bundle, verify=False)


def brought(source: Path, part: Path, *, weights: bool) -> None:
    """Copy what a parent hands on: its files, the folders that its ``modules.json`` names for SentenceTransformer, and
    the encoder of a recommender, which reads new items.

    Args:
        weights: with the weights; without them there is nothing that SentenceTransformer could read, or items be added
            to.
    """
    for path in sorted(source.iterdir()):
        stays = weights or (path.suffix != ".safetensors" and path.name != MODULES)
        if path.is_file() and path.name not in OWN and stays:
            shutil.copyfile(path, part / path.name)
    encoders = [ENCODER] if (source / ENCODER).is_dir() else []
    for name in dict.fromkeys([*_module_folders(source), *encoders]) if weights else ():
        shutil.copytree(source / name, part / name)


def _module_folders(folder: Path) -> list[str]:
    told: Any = json.loads((folder / MODULES).read_text("utf-8")) if (folder / MODULES).is_file() else []
    names = dict.fromkeys(Path(str(one.get("path", ""))).parts[:1] for one in told)
    return [name[0] for name in names if name and name[0] != ".." and (folder / name[0]).is_dir()]

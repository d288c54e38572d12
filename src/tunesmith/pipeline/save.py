"""Make the bundle, and prove that a fresh process answers as the model did that was measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.bundle.card import model_card
from tunesmith.bundle.drift.baseline import Baseline, write_baseline
from tunesmith.bundle.environment import environment
from tunesmith.bundle.layout import (
    ADAPTER,
    CARD,
    ENVIRONMENT,
    LOG,
    RECIPE,
    REPORT,
    REPORT_PAGE,
    Lineage,
    Manifest,
    MethodRecord,
    TaskRecord,
    finite,
)
from tunesmith.bundle.parity import prove_reload, tokens_of
from tunesmith.bundle.predictor import Predictor
from tunesmith.bundle.read import Bundle, read_bundle
from tunesmith.bundle.rows import inputs_only
from tunesmith.bundle.runtimes.torch import TorchRuntime
from tunesmith.bundle.write import write_bundle, write_members, write_model, write_routes
from tunesmith.core.artefacts import Figure, Parity
from tunesmith.data.prepare import texts_in
from tunesmith.evaluation.html import render
from tunesmith.methods.apart import of_base
from tunesmith.models.heads import mean
from tunesmith.models.routed import Routed
from tunesmith.models.together import Together
from tunesmith.pipeline.known import keep_known
from tunesmith.tasks.askable import askable
from tunesmith.training.trackers.tensorboard import FOLDER as CURVES

if TYPE_CHECKING:
    from tunesmith.pipeline.plan import Plan

PROVEN_ROWS = 64
"""Rows whose logits a fresh process must give again; the longest of the test rows are among them."""


def save(
    plan: Plan,
    model: Any,
    processor: Any,
    report: dict[str, Any],
    folder: Path,
    *,
    adapter: bool = False,
    replace: bool = False,
    baseline: Baseline | None = None,
) -> Bundle:
    """Write the bundle, reload it in a fresh process, and only then put it in its place.

    Args:
        model: a plain transformers model or several together, as measured.
        folder: the run's own; its log and what could not be read go along.
        adapter: whether ``folder/adapter`` holds one.
        baseline: what rows look like that it did not train on.

    Raises:
        BundleError: the place cannot be written, or the reloaded model answers otherwise.
    """
    model.to("cpu")
    predictor = Predictor(plan.task, processor, TorchRuntime(model), max_length=plan.max_length)
    rows = proof_rows(plan)
    able, features = askable(predictor.encode, rows)
    if not able:
        predictor.encode(rows)  # which says why
    rows, arrays = [rows[i] for i in able], predictor.infer(features)
    predictions = plan.task.decode(arrays, features)

    def fill(part: Path) -> None:
        _write_weights(part, plan, model, processor)
        bring_along(part, folder, adapter)
        (part / RECIPE).write_text(plan.recipe.to_yaml(), "utf-8")
        (part / ENVIRONMENT).write_text(environment(), "utf-8")
        write_report(part, report)
        if baseline is not None:
            write_baseline(part, baseline)
        keep_known(part, plan)

    def prove(part: Path) -> Sequence[Parity]:
        for tracker in plan.trackers:
            tracker.stage("reload")
        found = [prove_reload(part, rows, arrays, predictions, tokens_of(features))]
        report["parity"] = [parity.to_json() for parity in found]
        write_report(part, report)
        return found

    def finish(part: Path, manifest: Manifest) -> None:
        # An appended layer is not in the base's own config; its weights are in the adapter.
        beside = {"num_hidden_layers": model.config.num_hidden_layers} if mean.has_mean(model) else {}
        by_peft = beside if adapter and plan.method.plain else None
        card = model_card(plan.bundle.name, manifest.to_json(), report, adapter=by_peft)
        (part / CARD).write_text(card, "utf-8")

    write_bundle(
        plan.bundle, fill=fill, manifest=manifest_of(plan, model, report), prove=prove, finish=finish, replace=replace
    )
    return read_bundle(plan.bundle, verify=False)


def _write_weights(part: Path, plan: Plan, model: Any, processor: Any) -> None:
    """The model, in the form of its kind, and what other libraries want beside it."""
    plain = plan.method.plain
    if isinstance(model, Together):
        write_members(part, model, processor)
    elif isinstance(model, Routed):
        write_routes(part, model, processor)
    else:
        write_model(part, model, processor, base=None if plain else of_base(model))
        if plain:
            plan.task.accompany(str(part), model.config, plan.max_length)


def bring_along(part: Path, folder: Path, adapter: bool = False) -> None:
    """What the run's folder has for the bundle: the adapter, the log, curves, rows that could not be read."""
    if adapter:
        shutil.copytree(folder / "adapter", part / ADAPTER, ignore=shutil.ignore_patterns("README.md"))
    if (folder / CURVES).is_dir():
        shutil.copytree(folder / CURVES, part / CURVES)
    for name in (LOG, "broken_rows.csv"):
        if (folder / name).is_file():
            shutil.copy(folder / name, part / name)


def proof_rows(plan: Plan) -> list[dict[str, Any]]:
    """Some of the test rows, the longest among them: they have windows and the widest batches."""
    longest = np.argsort([-len(text) for text in texts_in(plan.data.test)], kind="stable")
    rows = [plan.data.test[i] for i in longest]
    chosen = rows[: PROVEN_ROWS // 4] + rows[PROVEN_ROWS // 4 :: max(1, len(rows) // (PROVEN_ROWS * 3 // 4))]
    return inputs_only(plan.task, chosen[:PROVEN_ROWS])


def manifest_of(plan: Plan, model: Any, report: dict[str, Any]) -> Manifest:
    """What the bundle knows of itself."""
    recipe, reference = plan.recipe, plan.reference
    return Manifest(
        task=TaskRecord(plan.task.name, recipe.task.options, plan.task.state),
        method=MethodRecord(plan.method.name, recipe.method.options),
        recipe=recipe.model_dump(mode="json"),
        lineage=Lineage(
            recipe.model.name,
            reference.hub_id,
            reference.revision,
            reference.content_hash,
            reference.licence,
            plan.parent,
        ),
        data={"language": plan.data.language, **plan.data.fingerprints},
        pooling="mean" if mean.has_mean(model) else "cls",
        max_length=plan.max_length,
        metrics=figures_of(report),
    )


def figures_of(report: Mapping[str, Any]) -> dict[str, Figure]:
    """A report's metrics; what JSON has as null is no number."""
    return {
        name: Figure(**{key: float("nan") if value is None else value for key, value in figure.items()})
        for name, figure in report["metrics"].items()
    }


def write_report(part: Path, report: Mapping[str, Any]) -> None:
    """``report.json``, without NaN and infinities, which JSON does not have; and the page."""
    plain = finite(report)
    (part / REPORT).write_text(json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False), "utf-8")
    (part / REPORT_PAGE).write_text(render(plain), "utf-8")
